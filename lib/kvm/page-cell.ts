import type { CellPlace, CellWrite, CounterStart } from '../bus/cells.js'
import { binding } from './binding.js'

// struct RegisterCell of native/register_page.h.
const AT = binding.registerCell
const READ = { exit: 0, value: 1, counter: 2, bank: 3 }
const WRITE: Record<CellWrite, number> = { exit: 0, post: 1, lazy: 2 }
const NONE_CHOSEN = 0x100
/** An entry of a bank: when it expires, with the value in place of the time's lowest byte. */
const ENTRY_VALUE = 0xffn

/** The memory of a register page, by the width of what is stored. */
export interface PageMemory {
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  readonly longs: BigUint64Array
}

/**
 * One cell of a register page. A vCPU thread can look at any time: so what belongs together is stored before what makes it
 * count, and each store is whole.
 */
export class PageCell implements CellPlace {
  readonly number: number
  readonly #memory: PageMemory
  /** The first cell of its entries; 0: it has none. */
  readonly bank: number
  readonly #stopsPosting: () => void
  #write: CellWrite = 'exit'

  /** `stopsPosting` is called after writes have ceased to be posted. */
  constructor(memory: PageMemory, number: number, bank: number, stopsPosting: () => void) {
    this.#memory = memory
    this.number = number
    this.bank = bank
    this.#stopsPosting = stopsPosting
    memory.bytes.fill(0, number * AT.size, (number + 1) * AT.size)
  }

  setWrite(write: CellWrite): void {
    if (this.#gone) return
    const stops = this.#write === 'post' && write !== 'post'
    this.#write = write
    Atomics.store(this.#memory.bytes, this.#at(AT.write), WRITE[write])
    if (stops) this.#stopsPosting()
  }

  setWhole(whole: boolean): void {
    Atomics.store(this.#memory.bytes, this.#at(AT.whole), whole ? 1 : 0)
  }

  setValue(value: bigint | undefined): void {
    if (this.#gone) return
    if (value !== undefined) Atomics.store(this.#memory.longs, this.#long(AT.starts), value)
    this.#setRead(value === undefined ? READ.exit : READ.value)
  }

  count({ frequency, bits, value, epoch }: CounterStart): void {
    if (this.#gone) return
    const { bytes, words, longs } = this.#memory
    const sequence = (words[this.#word(AT.sequence)] ?? 0) + 1
    // The start that nobody reads; a start is two words of 64 bits.
    const start = this.#long(AT.starts) + (sequence % 2) * 2
    Atomics.store(bytes, this.#at(AT.bits), bits)
    Atomics.store(longs, this.#long(AT.frequency), BigInt(frequency))
    Atomics.store(longs, start, value)
    Atomics.store(longs, start + 1, epoch)
    Atomics.store(words, this.#word(AT.sequence), sequence)
    this.#setRead(READ.counter)
  }

  openBank(mask: number): void {
    if (this.#gone) return
    Atomics.store(this.#memory.words, this.#word(AT.mask), mask)
    Atomics.store(this.#memory.words, this.#word(AT.bank), this.bank)
    this.clearBank()
    this.#setRead(READ.bank)
  }

  setEntry(index: number, value: number, until: bigint): void {
    if (this.#gone) return
    const entry = (until & ~ENTRY_VALUE) | BigInt(value)
    Atomics.store(this.#memory.longs, this.#entries + index, entry)
  }

  clearBank(): void {
    if (this.#gone) return
    Atomics.store(this.#memory.words, this.#word(AT.chosen), NONE_CHOSEN)
    const count = (AT.bankCells * AT.size) / 8
    for (let index = 0; index < count; index++) Atomics.store(this.#memory.longs, this.#entries + index, 0n)
  }

  get chosen(): number | undefined {
    if (this.#gone) return undefined
    const chosen = Atomics.load(this.#memory.words, this.#word(AT.chosen))
    return chosen < NONE_CHOSEN ? chosen : undefined
  }

  /** What is written here chooses in that bank. */
  chooseIn(data: PageCell): void {
    Atomics.store(this.#memory.words, this.#word(AT.chooses), data.number)
  }

  #setRead(kind: number): void {
    Atomics.store(this.#memory.bytes, this.#at(AT.read), kind)
  }

  // The VM has been closed.
  get #gone(): boolean {
    return this.#memory.bytes.length === 0
  }

  get #entries(): number {
    return (this.bank * AT.size) / 8
  }

  #at(offset: number): number {
    return this.number * AT.size + offset
  }

  #word(offset: number): number {
    return this.#at(offset) / 4
  }

  #long(offset: number): number {
    return this.#at(offset) / 8
  }
}
