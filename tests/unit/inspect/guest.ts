// Guests on paper: memory, registers, and symbol files.
import type { CpuState, SystemState } from '../../../lib/inspect/index.js'
import { DmaMemory } from '../../../lib/memory/dma-memory.js'

/** RAM from address 0 on, at most 16 MiB of it. */
export class TestMemory extends DmaMemory {
  readonly bytes: Uint8Array
  readonly #view: DataView

  constructor(size = 0x10_0000) {
    const buffer = new ArrayBuffer(size)
    const region = { at: 0, size, readonly: false, windowSize: 2 ** 24, buffer: () => buffer }
    super({ regions: [region], find: (address) => (address >= 0 && address < size ? region : undefined) })
    this.bytes = new Uint8Array(buffer)
    this.#view = new DataView(buffer)
  }

  put(address: number, bytes: ArrayLike<number>): this {
    this.bytes.set(bytes, address)
    return this
  }

  write32(address: number, value: bigint): this {
    this.#view.setUint32(address, Number(value), true)
    return this
  }

  write64(address: number, value: bigint): this {
    this.#view.setBigUint64(address, value, true)
    return this
  }
}

const SEGMENT = {
  ...{
    base: 0n,
    limit: 0xffff_ffff,
    selector: 0x10,
    type: 0b0011,
    present: 1,
    dpl: 0,
    db: 1,
    s: 1,
    l: 0,
    g: 1,
    avl: 0,
  },
  unusable: 0,
}
const CODE = { ...SEGMENT, selector: 8, type: 0b1011 }

/** CR0 with PE, CR0 with PG and PE, EFER with LMA and LME. */
export const [PROTECTED, PAGED, LONG] = [0x1n, 0x8000_0001n, 0x500n] as const

export interface Registers {
  rip?: bigint
  rsp?: bigint
  rbp?: bigint
  sregs?: Partial<SystemState>
}

/** 32-bit code without paging, unless `sregs` says otherwise. */
export function cpu({ rip = 0n, rsp = 0n, rbp = 0n, sregs = {} }: Registers): CpuState {
  const zero = { rax: 0n, rbx: 0n, rcx: 0n, rdx: 0n, rsi: 0n, rdi: 0n, r8: 0n, r9: 0n, r10: 0n, r11: 0n, r12: 0n }
  const tables = { gdt: { base: 0n, limit: 0 }, idt: { base: 0n, limit: 0 } }
  const control = { cr0: PROTECTED, cr2: 0n, cr3: 0n, cr4: 0n, cr8: 0n, efer: 0n }
  const data = { ds: SEGMENT, es: SEGMENT, fs: SEGMENT, gs: SEGMENT, ss: SEGMENT }
  const system = { tr: { ...SEGMENT, s: 0 }, ldt: { ...SEGMENT, unusable: 1 } }
  return {
    regs: { ...zero, r13: 0n, r14: 0n, r15: 0n, rip, rsp, rbp, rflags: 2n },
    sregs: { cs: CODE, ...data, ...system, ...tables, ...control, ...sregs },
  }
}

export const CODE_16 = { ...CODE, db: 0, limit: 0xffff }
export const CODE_64 = { ...CODE, db: 0, l: 1 }

const LARGE_PRESENT = 0x83n

/** Maps the first 2 MiB at `linear` (a multiple of 2 MiB) in 4-level page tables at 0x1000, and says which registers do. */
export function mapLong(memory: TestMemory, linear = 0n): Partial<SystemState> {
  const index = (shift: bigint) => Number((linear >> shift) & 0x1ffn) * 8
  memory.write64(0x1000 + index(39n), 0x2003n)
  memory.write64(0x2000 + index(30n), 0x3003n)
  memory.write64(0x3000 + index(21n), LARGE_PRESENT)
  return { cs: CODE_64, cr0: PAGED, cr3: 0x1000n, cr4: 0x20n, efer: LONG }
}

/** A System.map. */
export function systemMap(
  lines: readonly (readonly [address: bigint | number, type: string, name: string])[],
): Uint8Array {
  const text = lines.map(([address, type, name]) => `${address.toString(16).padStart(16, '0')} ${type} ${name}\n`)
  return new TextEncoder().encode(text.join(''))
}

export const latin1 = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'))
