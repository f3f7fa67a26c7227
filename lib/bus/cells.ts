import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkUint64, invalidArgument } from '../validate.js'

/**
 * What becomes of a write: it exits, so JavaScript answers while the guest waits; it is posted: the guest runs on, and
 * JavaScript hears a moment later, in order; or it is posted and nobody is woken for it: it is heard before the next thing
 * that is.
 */
export type CellWrite = 'exit' | 'post' | 'lazy'

/** What all cells have. */
export interface CellOptions {
  /** From where the cells are mapped; for a device, its own. */
  offset: number
  /** Bytes; default 1. */
  width?: number
  /** Default: `exit`. */
  write?: CellWrite
  /** Only an access of the whole register is answered; one of a part exits. Default: false. */
  whole?: boolean
}

export interface ValueCellOptions extends CellOptions {
  /** See {@link ValueCell.value}. */
  value?: bigint | number
  /** For an index register: the data register, among the cells that are mapped with this one, in which it chooses. */
  chooses?: BankCell
}

/** How a counter counts: the lowest `bits` bits of `value + floor((now - epoch) * frequency / 1e9)`. */
export interface CounterStart {
  /** Counts a second, 1 to 1e10. */
  frequency: number
  /** How many bits it has, the others read as zero: 1 to 64, and no more than the register. */
  bits: number
  /** What it reads as at `epoch`, and before. */
  value: bigint
  /** In nanoseconds of `process.hrtime`. */
  epoch: bigint
}

export interface CounterCellOptions extends CellOptions, Pick<CounterStart, 'frequency' | 'bits'> {
  /** Default: 0n. */
  value?: bigint
  /** Default: now. */
  epoch?: bigint
}

export interface BankCellOptions extends Omit<CellOptions, 'width' | 'whole'> {
  /** Which bits of the index choose, 1 to 0x7f. */
  mask: number
}

/** @internal A cell's place in a VM's register page, where vCPU threads find it. */
export interface CellPlace {
  setWrite(write: CellWrite): void
  setValue(value: bigint | undefined): void
  /** Reads find a counter that starts anew. */
  count(start: CounterStart): void
  /** Reads find the entry of a bank, which is empty. */
  openBank(mask: number): void
  setEntry(index: number, value: number, until: bigint): void
  clearBank(): void
  readonly chosen: number | undefined
}

const MAX_WIDTH = 8
const BITS_PER_BYTE = 8
const BYTE = 0xff
const INDEX_END = 0x7f
const MAX_FREQUENCY = 10_000_000_000
const NEVER = 2n ** 64n - 1n
const CELL_OPTIONS = ['offset', 'width', 'write', 'whole']
const WRITES = ['exit', 'post', 'lazy'] as const

/**
 * A register, or a part of one, some of whose accesses vCPU threads answer without JavaScript. What is set takes effect at
 * once wherever the cell is mapped; where it is mapped nowhere, it is kept.
 */
export abstract class Cell {
  readonly offset: number
  readonly width: number
  readonly whole: boolean
  /** @internal The places where it is mapped. */
  protected readonly places = new Set<CellPlace>()
  #write: CellWrite

  protected constructor(options: CellOptions) {
    this.offset = checkInteger('offset', options.offset, 0, Number.MAX_SAFE_INTEGER)
    this.width = checkInteger('width', options.width ?? 1, 1, Number.MAX_SAFE_INTEGER)
    this.whole = checkBoolean('whole', options.whole ?? false)
    this.#write = checkOneOf('write', options.write ?? 'exit', WRITES)
  }

  /** What becomes of a write. */
  get write(): CellWrite {
    return this.#write
  }

  set write(write) {
    if (write === this.#write) return
    this.#write = checkOneOf('write', write, WRITES)
    for (const place of this.places) place.setWrite(write)
  }

  /** @internal It answers there, too. */
  addPlace(place: CellPlace): void {
    this.places.add(place)
    this.show(place)
    place.setWrite(this.#write)
  }

  /** @internal */
  removePlace(place: CellPlace): void {
    this.places.delete(place)
  }

  /** @internal Puts there what reads find. */
  protected abstract show(place: CellPlace): void
}

/** A register of which a read finds what was stored. */
export class ValueCell extends Cell {
  readonly chooses: BankCell | undefined
  #value: bigint | undefined
  // As it was given: most stores change nothing, and need not become a bigint to see that.
  #given: bigint | number | undefined

  constructor(options: ValueCellOptions) {
    super(checkOptions('options', options, [...CELL_OPTIONS, 'value', 'chooses']) as unknown as ValueCellOptions)
    this.value = options.value
    if (options.chooses !== undefined && !(options.chooses instanceof BankCell)) {
      throw invalidArgument('chooses', options.chooses, 'a BankCell')
    }
    this.chooses = options.chooses
  }

  /** What a read finds, little-endian; where it fits, a number can be stored. Undefined: the read exits. */
  get value(): bigint | undefined {
    return this.#value
  }

  set value(value: bigint | number | undefined) {
    if (value === this.#given) return
    this.#value = this.#check(Number.isSafeInteger(value) ? BigInt(value as number) : value)
    this.#given = value
    for (const place of this.places) place.setValue(this.#value)
  }

  /** @internal */
  protected override show(place: CellPlace): void {
    place.setValue(this.#value)
  }

  #check(value: unknown): bigint | undefined {
    if (value === undefined) return undefined
    if (this.width > MAX_WIDTH) throw invalidArgument('value', value, 'absent: a read finds at most 8 bytes')
    return checkBits('value', value, this.width * BITS_PER_BYTE)
  }
}

/** A register that counts by itself, on the host's monotonic clock. All bytes of one access are of one time. */
export class CounterCell extends Cell {
  #start: CounterStart

  constructor(options: CounterCellOptions) {
    super(
      checkOptions('options', options, [
        ...CELL_OPTIONS,
        ...['frequency', 'bits', 'value', 'epoch'],
      ]) as unknown as CounterCellOptions,
    )
    if (this.width > MAX_WIDTH) throw invalidArgument('width', this.width, 'at most 8')
    const frequency = checkInteger('frequency', options.frequency, 1, MAX_FREQUENCY)
    const bits = checkInteger('bits', options.bits, 1, this.width * BITS_PER_BYTE)
    const value = checkBits('value', options.value ?? 0n, bits)
    this.#start = { frequency, bits, value, epoch: checkUint64('epoch', options.epoch ?? process.hrtime.bigint()) }
  }

  /** How it has counted since it was set. */
  get start(): Readonly<CounterStart> {
    return this.#start
  }

  /** It reads as `value` at `epoch` (default: now) and before, and counts on from there. */
  set(value: bigint, epoch: bigint = process.hrtime.bigint()): void {
    const { frequency, bits } = this.#start
    this.#start = { frequency, bits, value: checkBits('value', value, bits), epoch: checkUint64('epoch', epoch) }
    for (const place of this.places) place.count(this.#start)
  }

  /** @internal */
  protected override show(place: CellPlace): void {
    place.count(this.#start)
  }
}

/**
 * A data register, a byte wide: a read finds the value for the index that was written last into a {@link ValueCell} that
 * `chooses` it. Where there is none, it exits.
 */
export class BankCell extends Cell {
  readonly mask: number

  constructor(options: BankCellOptions) {
    super(checkOptions('options', options, ['offset', 'write', 'mask']) as unknown as BankCellOptions)
    this.mask = checkInteger('mask', options.mask, 1, INDEX_END)
  }

  /**
   * The index that the guest wrote last, as it wrote it, also one of which JavaScript has not heard yet. Undefined when none
   * was posted since the last {@link clear}.
   */
  get chosen(): number | undefined {
    for (const { chosen } of this.places) if (chosen !== undefined) return chosen
    return undefined
  }

  /**
   * What a read finds while that index is chosen, until `until`: nanoseconds of `process.hrtime`, of which a read may see up
   * to 255 less. Without it the value does not expire. It is not kept for places where the cell is mapped later.
   */
  set(index: number, value: number, until: bigint = NEVER): void {
    checkInteger('index', index, 0, INDEX_END)
    checkInteger('value', value, 0, BYTE)
    checkUint64('until', until)
    for (const place of this.places) place.setEntry(index, value, until)
  }

  /**
   * Forgets all values, and which index is chosen: before a value changes, and when the index has been written otherwise than
   * by a posted write (a bus does that by itself).
   */
  clear(): void {
    for (const place of this.places) place.clearBank()
  }

  /** @internal */
  protected override show(place: CellPlace): void {
    place.openBank(this.mask)
  }
}

function checkBits(name: string, value: unknown, bits: number): bigint {
  const checked = checkUint64(name, value)
  if (BigInt.asUintN(bits, checked) !== checked) throw invalidArgument(name, value, `at most ${bits} bits wide`)
  return checked
}
