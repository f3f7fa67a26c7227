import { type CodeSize, type CpuState, cpuMode, linearAddress } from './cpu-state.js'
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
 * The calls that led to where a vCPU is. It follows frame pointers as far as return addresses lie behind call instructions,
 * and then, when there are symbols, looks for return addresses of code with a symbol on the rest of the stack. Every
 * step is bounded, whatever the guest has left there.
 */
export function walkStack(state: CpuState, memory: LinearMemory, symbols?: SymbolTable): StackFrame[] {
  return new StackWalk(state, memory, symbols).walk()
}

class StackWalk {
  readonly #state: CpuState
  readonly #memory: LinearMemory
  readonly #symbols: SymbolTable | undefined
  readonly #codeSize: CodeSize
  readonly #word: 2 | 4 | 8
  readonly #frames: StackFrame[] = []

  constructor(state: CpuState, memory: LinearMemory, symbols: SymbolTable | undefined) {
    this.#state = state
    this.#memory = memory
    this.#symbols = symbols
    this.#codeSize = cpuMode(state).codeSize
    this.#word = WORD_SIZES[this.#codeSize]
  }

  walk(): StackFrame[] {
    const { regs } = this.#state
    const rip = this.#code(regs.rip)
    this.#frames.push({ address: rip, from: 'rip' })
    let top = this.#truncate(regs.rsp)
    const slot = this.#slotOfReturn(rip)
    if (slot !== undefined && this.#push(top + BigInt(slot * this.#word), 'frame'))
      top += BigInt((slot + 1) * this.#word)
    const { next, complete } = this.#followFramePointers(top, this.#truncate(regs.rbp))
    if (!complete && this.#symbols !== undefined) this.#scan(next)
    return this.#frames
  }

  /** Returns where the stack has not been looked at, and whether the chain has come to its proper end. */
  #followFramePointers(top: bigint, first: bigint): { next: bigint; complete: boolean } {
    const word = BigInt(this.#word)
    let next = top
    let pointer = first
    while (this.#frames.length < MAX_FRAMES) {
      // The outermost frame: startup code clears the frame pointer.
      if (pointer === 0n && this.#frames.length > 1) return { next, complete: true }
      if (pointer < next || pointer - next > MAX_FRAME_SIZE) break
      const saved = this.#read(pointer)
      if (saved === undefined || !this.#push(pointer + word, 'frame')) break
      next = pointer + 2n * word
      pointer = saved
    }
    return { next, complete: this.#frames.length >= MAX_FRAMES }
  }

  #scan(from: bigint): void {
    const { bytes } = this.#memory.read(this.#stack(from), SCAN_BYTES)
    for (let at = 0; at + this.#word <= bytes.length && this.#frames.length < MAX_FRAMES; at += this.#word) {
      const address = this.#code(numberAt(bytes, at, this.#word))
      if (this.#isNamed(address) && followsCall(this.#memory, address, this.#codeSize)) {
        this.#frames.push({ address, from: 'scan' })
      }
    }
  }

  /** Takes the return address at an offset on the stack, if it is one. */
  #push(offset: bigint, from: StackFrame['from']): boolean {
    const value = this.#read(offset)
    if (value === undefined) return false
    const address = this.#code(value)
    if (!followsCall(this.#memory, address, this.#codeSize)) return false
    this.#frames.push({ address, from })
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
