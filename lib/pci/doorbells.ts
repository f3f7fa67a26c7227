import { type Doorbell, type DoorbellOptions, type DoorbellTarget, ringOf } from '../bus/device-context.js'
import { checkInteger, checkUint64, invalidArgument } from '../validate.js'

/** Where a BAR is. */
export type BarPlace = { port: number } | { address: number }

/** Has writes there ring without the guest waiting for JavaScript. Where it cannot, it returns undefined. */
export type OpenDoorbell = (
  at: BarPlace,
  options: Omit<DoorbellOptions, 'offset'>,
  ring: DoorbellTarget,
) => Doorbell | undefined

interface Bell {
  readonly options: DoorbellOptions
  readonly ring: DoorbellTarget
  open?: Doorbell | undefined
}

/** The doorbells of one BAR. Those writes that reach JavaScript all the same ring, too. */
export class Doorbells {
  readonly #open: OpenDoorbell
  readonly #bells = new Set<Bell>()
  #at: BarPlace | undefined

  constructor(open: OpenDoorbell) {
    this.#open = open
  }

  add(options: DoorbellOptions, length: number, ring: DoorbellTarget): Doorbell {
    const bell: Bell = { options: checkDoorbell(options, length), ring }
    this.#bells.add(bell)
    this.#start(bell)
    return {
      close: () => {
        this.#bells.delete(bell)
        stop(bell)
      },
    }
  }

  /** The BAR is there now; without a place, nowhere. */
  move(at: BarPlace | undefined): void {
    for (const bell of this.#bells) stop(bell)
    this.#at = at
    for (const bell of this.#bells) this.#start(bell)
  }

  /** Whether a write was for one of them. */
  rings(offset: number, data: Uint8Array): boolean {
    for (const { options, ring } of this.#bells) {
      if (options.offset !== offset || (options.length !== undefined && options.length !== data.length)) continue
      if (options.value !== undefined && options.value !== littleEndian(data)) continue
      ringOf(ring)()
      return true
    }
    return false
  }

  #start(bell: Bell): void {
    const at = this.#at
    if (at === undefined) return
    const { offset, ...options } = bell.options
    const place = 'port' in at ? { port: at.port + offset } : { address: at.address + offset }
    bell.open = this.#open(place, options, bell.ring)
  }
}

function stop(bell: Bell): void {
  bell.open?.close()
  bell.open = undefined
}

function checkDoorbell({ offset, length, value }: DoorbellOptions, barLength: number): DoorbellOptions {
  if (length !== undefined && ![1, 2, 4, 8].includes(length)) throw invalidArgument('length', length, '1, 2, 4 or 8')
  checkInteger('offset', offset, 0, barLength - (length ?? 1))
  if (
    value !== undefined &&
    (length === undefined || BigInt.asUintN(8 * length, checkUint64('value', value)) !== value)
  ) {
    throw invalidArgument('value', value, 'as wide as length, which it needs')
  }
  return { offset, ...(length === undefined ? {} : { length }), ...(value === undefined ? {} : { value }) }
}

function littleEndian(data: Uint8Array): bigint {
  return data.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
}
