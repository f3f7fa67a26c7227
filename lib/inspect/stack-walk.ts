import type { CpuState } from '../arch/x86/registers.js'
import { type CodeSize, cpuMode, linearAddress } from './cpu-state.js'
import { LinearMemory, numberAt } from './linear-memory.js'
import { followsCall, returnSlot } from './call-sites.js'
import type { SymbolTable } from './symbols.js'

/** A place in the guest's chain of calls, innermost first. */
export interface StackFrame {
  /** Linear address: of the instruction for the first frame, for the others where the call returns to. */
  address: bigint
  /**
   * `rip`: the instruction pointer. `frame`: found by frame pointers, or on top of the stack of a function that has not set up
   * its frame. `scan`: a word on the stack that looks like a return address; it may be left over from an earlier call.
   */
  from: 'rip' | 'frame' | 'scan'
}

/** More frames than this are not looked for. */
const MAX_FRAMES = 32
/** Frame pointers that go up by more than that are none. */
const MAX_FRAME_SIZE = 2n ** 20n
/** Linux's kernel stacks have 16 KiB. */
const SCAN_BYTES = 16 * 1024

const WORD_SIZES: Record<CodeSize, 2 | 4 | 8> = { 16: 2, 32: 4, 64: 8 }

/**
 * The calls that led to where a vCPU is. It follows frame pointers as far as return addresses lie behind call instructions.
 * With symbols it also looks at every word of the stack, as Linux does: code without frame pointers leaves anything in RBP,
 * and a chain that begins there can leave calls out. Every step is bounded, whatever the guest has left there.
 */
export function walkStack(state: CpuState, memory: LinearMemory, symbols?: SymbolTable): StackFrame[] {
  return new StackWalk(state, memory, symbols).walk()
}

/** A return address, and where on the stack it is. */
interface Slot {
  offset: bigint
  frame: StackFrame
}

class StackWalk {
  readonly #state: CpuState
  readonly #memory: LinearMemory
  readonly #symbols: SymbolTable | undefined
  readonly #codeSize: CodeSize
  readonly #word: 2 | 4 | 8

  constructor(state: CpuState, memory: LinearMemory, symbols: SymbolTable | undefined) {
    this.#state = state
    this.#memory = memory
    this.#symbols = symbols
    this.#codeSize = cpuMode(state).codeSize
    this.#word = WORD_SIZES[this.#codeSize]
  }

  walk(): StackFrame[] {
    const rip = this.#code(this.#state.regs.rip)
    const chain = this.#followFramePointers(rip)
    const known = new Set(chain.map(({ offset }) => offset))
    const others = this.#symbols === undefined ? [] : this.#scan(known)
    const slots = [...chain, ...others].sort((a, b) => (a.offset < b.offset ? -1 : 1))
    return [{ address: rip, from: 'rip' as const }, ...slots.map(({ frame }) => frame)].slice(0, MAX_FRAMES)
  }

  #followFramePointers(rip: bigint): Slot[] {
    const word = BigInt(this.#word)
    const slots: Slot[] = []
    let next = this.#truncate(this.#state.regs.rsp)
    const unframed = this.#slotOfReturn(rip)
    if (unframed !== undefined && this.#take(slots, next + BigInt(unframed) * word)) next += BigInt(unframed + 1) * word
    // Startup code clears the frame pointer, and 0 lies below every stack: the chain ends there.
    let pointer = this.#truncate(this.#state.regs.rbp)
    while (slots.length < MAX_FRAMES && pointer >= next && pointer - next <= MAX_FRAME_SIZE) {
      const saved = this.#read(pointer)
      if (saved === undefined || !this.#take(slots, pointer + word)) break
      next = pointer + 2n * word
      pointer = saved
    }
    return slots
  }

  /** Return addresses of code with a symbol, other than the known ones. */
  #scan(known: ReadonlySet<bigint>): Slot[] {
    const slots: Slot[] = []
    const top = this.#truncate(this.#state.regs.rsp)
    const { bytes } = this.#memory.read(this.#stack(top), SCAN_BYTES)
    for (let at = 0; at + this.#word <= bytes.length && slots.length < MAX_FRAMES; at += this.#word) {
      const offset = top + BigInt(at)
      const address = this.#code(numberAt(bytes, at, this.#word))
      if (!known.has(offset) && this.#isNamed(address) && followsCall(this.#memory, address, this.#codeSize)) {
        slots.push({ offset, frame: { address, from: 'scan' } })
      }
    }
    return slots
  }

  /** Takes the return address at an offset on the stack, if it is one. */
  #take(slots: Slot[], offset: bigint): boolean {
    const value = this.#read(offset)
    if (value === undefined) return false
    const address = this.#code(value)
    if (!followsCall(this.#memory, address, this.#codeSize)) return false
    slots.push({ offset, frame: { address, from: 'frame' } })
    return true
  }

  /** Whether it lies behind an instruction of a function with a symbol. A call that never returns may be a function's last. */
  #isNamed(address: bigint): boolean {
    return address > 0n && this.#symbols?.lookup(address - 1n)?.code === true
  }

  /** Where the function's return address is, in words from the top of the stack; undefined when its frame is set up. */
  #slotOfReturn(rip: bigint): number | undefined {
    const place = this.#symbols?.lookup(rip)
    return returnSlot(this.#memory, rip, place?.code === true ? place.offset : undefined)
  }

  #read(offset: bigint): bigint | undefined {
    return this.#memory.readNumber(this.#stack(offset), this.#word)
  }

  #stack(offset: bigint): bigint {
    return linearAddress(this.#state.sregs.ss, this.#truncate(offset), this.#codeSize)
  }

  #code(offset: bigint): bigint {
    return linearAddress(this.#state.sregs.cs, this.#truncate(offset), this.#codeSize)
  }

  #truncate(value: bigint): bigint {
    return BigInt.asUintN(this.#codeSize, value)
  }
}
