import { hex } from '../format.js'

/** An exit that the machine has handled. */
export interface ExitReport {
  /** Absent for a write for which the guest did not wait. */
  vcpu?: number
  /** `io out port 0x3f8 size 1 count 1 data 48`, as a trace would show it. */
  exit: string
  /** How often it came in a row. */
  times: number
}

const KEPT = 16
/** No vCPU has that number. */
const UNKNOWN = -1
/** So much of what was accessed is kept: two words. */
const MAX_DATA = 8

type Kind = 'in' | 'out' | 'read' | 'write' | 'other' | 'posted out' | 'posted write'

/** One place of the ring; it is made once and then only overwritten. */
interface Entry {
  vcpu: number
  kind: Kind
  address: number
  size: number
  count: number
  low: number
  high: number
  text: string
  times: number
}

const emptyEntry = (): Entry => ({
  vcpu: 0,
  kind: 'other',
  address: 0,
  size: 0,
  count: 0,
  low: 0,
  high: 0,
  text: '',
  times: 0,
})

/**
 * The last exits of a machine, in a ring of plain numbers: to note one allocates nothing. The same exit again and again, as
 * of a guest that polls, takes one place.
 */
export class LastExits {
  readonly #entries = Array.from({ length: KEPT }, emptyEntry)
  #newest = -1

  /** A port access. `data` counts for `out` only. */
  io(vcpu: number, out: boolean, port: number, size: number, count: number, data: Uint8Array): void {
    this.#note(vcpu, out ? 'out' : 'in', port, size, count, out ? data : undefined, '')
  }

  /** An access to an address without memory. `data` counts for writes only; its length is the access's. */
  mmio(vcpu: number, write: boolean, address: number, data: Uint8Array): void {
    this.#note(vcpu, write ? 'write' : 'read', address, data.length, 1, write ? data : undefined, '')
  }

  /** A write for which the guest did not wait; whose it was is not known. Those to one place take one entry: the last is kept. */
  posted(kind: 'out' | 'write', address: number, data: Uint8Array): void {
    const last = this.#entries[this.#newest]
    if (last?.kind === `posted ${kind}` && last.address === address) {
      last.size = data.length
      last.low = word(data, 0)
      last.high = word(data, 4)
      last.times++
    } else this.#note(UNKNOWN, `posted ${kind}`, address, data.length, 1, data, '')
  }

  /** Any other exit, in words. */
  other(vcpu: number, text: string): void {
    this.#note(vcpu, 'other', 0, 0, 0, undefined, text)
  }

  /** The exits, oldest first. */
  report(): ExitReport[] {
    const reports: ExitReport[] = []
    for (let step = 1; step <= KEPT; step++) {
      const entry = this.#entries[(this.#newest + step + KEPT) % KEPT]
      if (entry !== undefined && entry.times > 0) {
        const whose = entry.vcpu === UNKNOWN ? {} : { vcpu: entry.vcpu }
        reports.push({ ...whose, exit: describe(entry), times: entry.times })
      }
    }
    return reports
  }

  #note(
    vcpu: number,
    kind: Kind,
    address: number,
    size: number,
    count: number,
    data: Uint8Array | undefined,
    text: string,
  ): void {
    const low = data === undefined ? 0 : word(data, 0)
    const high = data === undefined ? 0 : word(data, 4)
    const last = this.#entries[this.#newest]
    if (
      last?.vcpu === vcpu &&
      last.kind === kind &&
      last.address === address &&
      last.size === size &&
      last.count === count &&
      last.low === low &&
      last.high === high &&
      last.text === text
    ) {
      last.times++
      return
    }
    this.#newest = (this.#newest + 1) % KEPT
    const entry = this.#entries[this.#newest]
    if (entry === undefined) return
    entry.vcpu = vcpu
    entry.kind = kind
    entry.address = address
    entry.size = size
    entry.count = count
    entry.low = low
    entry.high = high
    entry.text = text
    entry.times = 1
  }
}

/** Four bytes, those past the end being 0. */
function word(data: Uint8Array, at: number): number {
  const byte = (index: number) => data[at + index] ?? 0
  return (byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24)) >>> 0
}

function describe({ kind, address, size, count, low, high, text }: Entry): string {
  switch (kind) {
    case 'in':
      return `io in port ${hex(address)} size ${size} count ${count}`
    case 'out':
      return `io out port ${hex(address)} size ${size} count ${count} data ${bytes(low, high, size * count)}`
    case 'read':
      return `mmio read ${hex(address)} size ${size}`
    case 'write':
      return `mmio write ${hex(address)} data ${bytes(low, high, size)}`
    case 'posted out':
      return `io out port ${hex(address)} size ${size} count 1 data ${bytes(low, high, size)} (posted)`
    case 'posted write':
      return `mmio write ${hex(address)} data ${bytes(low, high, size)} (posted)`
    case 'other':
      return text
  }
}

function bytes(low: number, high: number, length: number): string {
  const all = Array.from({ length: Math.min(length, MAX_DATA) }, (_, index) =>
    (((index < 4 ? low : high) >>> ((index % 4) * 8)) & 0xff).toString(16).padStart(2, '0'),
  )
  return `${all.join(' ')}${length > MAX_DATA ? ` … (${length} bytes)` : ''}`
}
