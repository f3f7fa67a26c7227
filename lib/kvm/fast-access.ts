import { KvmError } from '../errors.js'
import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import { checkBoolean, checkInteger, checkOptions, checkUint64, invalidArgument } from '../validate.js'
import { type Context, currentContext } from './context.js'
import type { Fd } from './fd.js'

/** Where a fast access lies: on a port or at a guest physical address. */
export type FastAddress = { port: number; address?: never } | { address: number; port?: never }

/**
 * A range of ports or of guest physical addresses; `length` counts ports or bytes. `lazy`: nobody is woken for a write
 * there; default false.
 */
export type FastRange = FastAddress & { length: number; lazy?: boolean }

/**
 * Takes a write that the guest made a moment ago: `offset` from the start of the range, and 1 to 8 bytes that are valid
 * during the call only.
 */
export type PostedListener = (offset: number, data: Uint8Array) => void

/** A {@link PostedListener}, and where it was given. */
export interface Listener {
  readonly call: PostedListener
  readonly context: Context
}

/** Writes into a range that do not wait for JavaScript; see `vm.postWrites()`. */
export interface PostedWrites {
  /** Ends it: later writes exit as usual. Writes that are on their way are dropped. Closing again does nothing. */
  close(): void
  [Symbol.dispose](): void
}

/** Reads that do not wait for JavaScript; see `vm.latchRead()`. */
export interface LatchedRead {
  /** What the guest reads, little-endian. Takes effect at once. */
  value: bigint
  /** Ends it: later reads exit as usual. Closing again does nothing. */
  close(): void
  [Symbol.dispose](): void
}

/**
 * Where an index and a data register lie, a byte each: `port` or `address` is the index register's, `data` the data
 * register's. `mask` (1 to 0x7f) says which bits of the index choose.
 */
export type IndexedAddress = FastAddress & { data: number; mask: number }

/** Reads of a data register that do not wait for JavaScript; see `vm.latchIndexed()`. */
export interface IndexedRead {
  /** The byte that the guest wrote last into the index register, also one of which the listener has not heard yet. */
  readonly chosen: number | undefined
  /**
   * What the guest reads while that index is chosen, until `until`: nanoseconds of `process.hrtime`, of which a read may
   * see up to 255 less. Without it the value does not expire. Takes effect at once.
   */
  set(index: number, value: number, until?: bigint): void
  /** Forgets all values, and which index is chosen: reads exit until the guest writes the index and there is a value. */
  clear(): void
  /** Ends it, as that of {@link PostedWrites}: later writes of the index and reads exit as usual. */
  close(): void
  [Symbol.dispose](): void
}

/** How a counter counts; see `vm.latchCounter()`. */
export interface CounterOptions {
  /** Counts a second, 1 to 10_000_000_000. */
  frequency: number
  /** How many bits it has, the others read as zero: 1 to 64, and no more than the register. */
  bits: number
  /** What it reads as at `epoch`, and before. Default: 0n. */
  value?: bigint
  /** When it starts: nanoseconds of `process.hrtime`. Default: now. */
  epoch?: bigint
}

/** Reads of a counter that do not wait for JavaScript; see `vm.latchCounter()`. */
export interface LatchedCounter {
  /** It reads as `value` at `epoch` (default: now) and before, and counts on from there. The next read finds that. */
  set(value: bigint, epoch?: bigint): void
  /** Ends it: later reads exit as usual. Closing again does nothing. */
  close(): void
  [Symbol.dispose](): void
}

const PORTS = 0x1_0000
const MAX_FREQUENCY = 10_000_000_000
const INDEX_END = 0x7f
const NEVER = 2n ** 64n - 1n
const SPACE = { port: 0, mmio: 1 }

/** The posted writes and latched reads of one VM. They take effect on vCPUs that have a thread. */
export class FastAccesses {
  readonly listeners = new Map<number, Listener>()
  readonly #fd: Fd

  constructor(fd: Fd) {
    this.#fd = fd
  }

  post(range: FastRange, listener: PostedListener): PostedWrites {
    const { space, start, end } = place('range', range, ['length', 'lazy'])
    const length = checkInteger('length', range.length, 1, end - start)
    const lazy = checkBoolean('lazy', range.lazy ?? false)
    checkListener(listener)
    const close = this.#listen(this.#fd.native.post(space, start, length, lazy), listener)
    return { close, [Symbol.dispose]: close }
  }

  latchCounter(at: FastAddress & { width: number }, counter: CounterOptions): LatchedCounter {
    const { space, start, end } = place('address', at, ['width'])
    const width = checkInteger('width', at.width, 1, Math.min(8, end - start))
    checkOptions('counter', counter, ['frequency', 'bits', 'value', 'epoch'])
    const frequency = checkInteger('frequency', counter.frequency, 1, MAX_FREQUENCY)
    const bits = checkInteger('bits', counter.bits, 1, 8 * width)
    const check = (value: unknown) => checkBits('value', value, bits)
    const value = check(counter.value ?? 0n)
    const epoch = checkUint64('epoch', counter.epoch ?? process.hrtime.bigint())
    const fd = this.#fd
    const id = fd.native.latchCounter(space, start, width, bits, frequency, value, epoch)
    const close = () => {
      if (!fd.closed) fd.native.removeFast(id)
    }
    return {
      set(to, from = process.hrtime.bigint()) {
        if (!fd.native.setCounter(id, check(to), checkUint64('epoch', from))) throw latchClosed()
      },
      close,
      [Symbol.dispose]: close,
    }
  }

  #listen(id: number, listener: PostedListener): () => void {
    this.listeners.set(id, { call: listener, context: currentContext() })
    return () => {
      this.listeners.delete(id)
      if (!this.#fd.closed) this.#fd.native.removeFast(id)
    }
  }

  latch(at: FastAddress & { width: number }, initial: bigint): LatchedRead {
    const { space, start, end } = place('address', at, ['width'])
    const width = checkInteger('width', at.width, 1, Math.min(8, end - start))
    const check = (value: unknown) => checkBits('value', value, width * 8)
    let current = check(initial)
    const id = this.#fd.native.latch(space, start, width, current)
    const fd = this.#fd
    const close = () => {
      if (!fd.closed) fd.native.removeFast(id)
    }
    return {
      get value() {
        return current
      },
      set value(value) {
        const checked = check(value)
        if (!fd.native.setLatch(id, checked)) throw latchClosed()
        current = checked
      },
      close,
      [Symbol.dispose]: close,
    }
  }

  latchIndexed(at: IndexedAddress, listener: PostedListener): IndexedRead {
    const { space, start, end } = place('address', at, ['data', 'mask'])
    const data = checkInteger('data', at.data, 0, end - 1)
    if (data === start) throw invalidArgument('data', data, 'another register than the index')
    const mask = checkInteger('mask', at.mask, 1, INDEX_END)
    checkListener(listener)
    const fd = this.#fd
    const id = fd.native.latchIndexed(space, start, data, mask)
    const close = this.#listen(id, listener)
    return {
      get chosen() {
        const index = fd.closed ? -1 : fd.native.chosenIndexed(id)
        return index < 0 ? undefined : index
      },
      set(index, value, until = NEVER) {
        const entry = checkInteger('index', index, 0, INDEX_END)
        const byte = checkInteger('value', value, 0, 0xff)
        if (!fd.native.setIndexed(id, entry, byte, checkUint64('until', until))) throw latchClosed()
      },
      clear: () => {
        if (!fd.closed) fd.native.clearIndexed(id)
      },
      close,
      [Symbol.dispose]: close,
    }
  }
}

function checkBits(name: string, value: unknown, bits: number): bigint {
  const checked = checkUint64(name, value)
  if (BigInt.asUintN(bits, checked) !== checked) throw invalidArgument(name, value, `at most ${bits} bits wide`)
  return checked
}

function checkListener(listener: unknown): void {
  if (typeof listener !== 'function') throw invalidArgument('listener', listener, 'a function')
}

function latchClosed(): KvmError {
  return new KvmError('ERR_KVM_CLOSED', 'this latch has been closed')
}

/** Checks a port or an address among other options. `space` is the native layer's number. */
export function place(name: string, value: unknown, others: string[]): { space: number; start: number; end: number } {
  const { port, address } = checkOptions(name, value, ['port', 'address', ...others])
  if ((port === undefined) === (address === undefined)) throw invalidArgument(name, value, 'a port or an address')
  return port === undefined
    ? {
        space: SPACE.mmio,
        start: checkInteger('address', address, 0, PHYSICAL_ADDRESS_END - 1),
        end: PHYSICAL_ADDRESS_END,
      }
    : { space: SPACE.port, start: checkInteger('port', port, 0, PORTS - 1), end: PORTS }
}
