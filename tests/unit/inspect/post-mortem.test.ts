// Whole reports: of a kernel on paper, of vCPUs that cannot be read, and of what KASLR does to symbols.
import { describe, expect, test } from 'vitest'

import { type CpuState, formatPostMortem, inspectCpu, parseSymbols } from '../../../lib/inspect/index.js'
import { loadDisassembler } from '../../../lib/inspect/disassemble.js'
import { examine, type Remains } from '../../../lib/inspect/post-mortem.js'
import { CODE_16, cpu, mapLong, systemMap, TestMemory } from './guest.js'

const LINKED = 0xffff_ffff_8100_0000n
const SLIDE = 0x1260_0000n
const KERNEL = LINKED + SLIDE
/** Where the kernel's first page lies; page tables map 2 MiB from KERNEL's 2 MiB on to address 0. */
const TEXT = 0

const symbols = parseSymbols(
  systemMap([
    [LINKED, 'T', 'asm_exc_divide_error'],
    [LINKED + 0x10n, 'T', 'asm_exc_page_fault'],
    [LINKED + 0x100n, 'T', 'panic'],
    [LINKED + 0x200n, 'T', 'mount_root'],
    [LINKED + 0x300n, 'D', 'jiffies'],
  ]),
)

/** Writes the handlers of vectors 0 and 14 into an IDT at 0x5000. */
function writeIdt(memory: TestMemory, divide: bigint, pageFault: bigint): void {
  for (const [vector, target] of [[0, divide] as const, [14, pageFault] as const]) {
    const low = (target & 0xffffn) | (0x10n << 16n) | (0x8e00n << 32n) | (((target >> 16n) & 0xffffn) << 48n)
    memory.write64(0x5000 + vector * 16, low).write64(0x5008 + vector * 16, target >> 32n)
  }
}

function kernel(): { memory: TestMemory; state: CpuState } {
  const memory = new TestMemory()
  const sregs = mapLong(memory, KERNEL)
  writeIdt(memory, KERNEL, KERNEL + 0x10n)
  // panic: push rbp; mov rbp, rsp; call panic; ud2, and a call in mount_root
  memory.put(TEXT + 0x100, [0x55, 0x48, 0x89, 0xe5, 0xe8, 0xf7, 0xff, 0xff, 0xff, 0x0f, 0x0b])
  memory.put(TEXT + 0x20b, [0xe8, 0xf0, 0xfe, 0xff, 0xff])
  memory.write64(0x8000, 0n).write64(0x8008, KERNEL + 0x210n)
  const idt = { base: KERNEL + 0x5000n, limit: 0xfff }
  const state = cpu({ rip: KERNEL + 0x109n, rsp: KERNEL + 0x8000n, rbp: KERNEL + 0x8000n, sregs: { ...sregs, idt } })
  return { memory, state }
}

function remains(memory: TestMemory, state: CpuState, more: Partial<Remains> = {}): Remains {
  const summary = "the guest's kernel panicked (vCPU 0)"
  return { outcome: 'panic', summary, vcpu: 0, vcpus: [{ id: 0, state }], memory, exits: [], console: [], ...more }
}

const disassembler = await loadDisassembler()

test('the text of a report', () => {
  const { memory, state } = kernel()
  const report = examine(
    remains(memory, state, {
      vcpus: [
        { id: 0, mpState: 'runnable', state },
        { id: 1, mpState: 'halted', state: { ...state, regs: { ...state.regs, rip: KERNEL + 0x210n } } },
        { id: 2, mpState: 'uninitialized', state: cpu({ sregs: { cr0: 0n, cs: CODE_16 } }) },
        { id: 3, state: new Error('vCPU 3 is in the middle of an access') },
      ],
      exits: [
        { vcpu: 0, exit: 'io in port 0x3fd size 1 count 1', times: 1532 },
        { vcpu: 1, exit: 'hlt', times: 1 },
      ],
      console: ['Kernel panic - not syncing', '\\x1b[0m'],
    }),
    symbols,
    disassembler,
  )
  expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  expect(formatPostMortem(report)).toMatchInlineSnapshot(`
    "the guest's kernel panicked (vCPU 0)

    vCPU 0: 64-bit mode, privilege level 0, runnable
      RAX 0000000000000000  RBX 0000000000000000  RCX 0000000000000000  RDX 0000000000000000
      RSI 0000000000000000  RDI 0000000000000000  RBP ffffffff93608000  RSP ffffffff93608000
      R8  0000000000000000  R9  0000000000000000  R10 0000000000000000  R11 0000000000000000
      R12 0000000000000000  R13 0000000000000000  R14 0000000000000000  R15 0000000000000000
      RIP ffffffff93600109  RFLAGS 00000002 []
      CS  0008 base 0x0 limit 0xffffffff 64-bit code, DPL 0
      DS ES FS GS SS 0010 base 0x0 limit 0xffffffff data, DPL 0
      TR  0010 base 0x0 limit 0xffffffff system, DPL 0
      LDT 0010 base 0x0 limit 0xffffffff unusable, DPL 0
      GDT base 0x0 limit 0x0  IDT base 0xffffffff93605000 limit 0xfff
      CR0 0x80000001 [PE PG]  CR2 0x0  CR3 0x1000
      CR4 0x20 [PAE]  CR8 0x0  EFER 0x500 [LME LMA]
      code:
         0xffffffff93600100 panic       55              push rbp
         0xffffffff93600101 panic+0x1   48 89 e5        mov rbp, rsp
         0xffffffff93600104 panic+0x4   e8 f7 ff ff ff  call 0xffffffff93600100 <panic>
      -> 0xffffffff93600109 panic+0x9   0f 0b           ud2
         0xffffffff9360010b panic+0xb   00 00           add [rax], al
         0xffffffff9360010d panic+0xd   00 00           add [rax], al
         0xffffffff9360010f panic+0xf   00 00           add [rax], al
         0xffffffff93600111 panic+0x11  00 00           add [rax], al
         0xffffffff93600113 panic+0x13  00 00           add [rax], al
      stack:
          0xffffffff93600109 panic+0x9
          0xffffffff93600210 mount_root+0x10

    vCPU 1: 64-bit mode, privilege level 0, halted
      code:
      -> 0xffffffff93600210 mount_root+0x10  00 00  add [rax], al
         0xffffffff93600212 mount_root+0x12  00 00  add [rax], al
         0xffffffff93600214 mount_root+0x14  00 00  add [rax], al
         0xffffffff93600216 mount_root+0x16  00 00  add [rax], al
         0xffffffff93600218 mount_root+0x18  00 00  add [rax], al
         0xffffffff9360021a mount_root+0x1a  00 00  add [rax], al
      stack:
          0xffffffff93600210 mount_root+0x10
          0xffffffff93600210 mount_root+0x10

    vCPU 2: real mode, privilege level 0, uninitialized

    vCPU 3
      vCPU 3 is in the middle of an access

    Symbols are moved by 0x12600000.

    Last exits, the newest last:
      vCPU 0: io in port 0x3fd size 1 count 1, 1532 times
      vCPU 1: hlt

    Last lines of the console:
      | Kernel panic - not syncing
      | \\x1b[0m"
  `)
})

describe('KASLR', () => {
  const slideOf = (change: (guest: ReturnType<typeof kernel>) => void, table = symbols) => {
    const guest = kernel()
    change(guest)
    return examine(remains(guest.memory, guest.state), table, disassembler).slide
  }

  test('found by the IDT', () => {
    expect(slideOf(() => undefined)).toBe('0x12600000')
  })
  test('a slide that is given counts', () => {
    expect(slideOf(() => undefined, symbols.withSlide(0n))).toBe('0x0')
  })
  test('another kernel, or another vCPU, has it, too', () => {
    const { memory, state } = kernel()
    const user = { ...state, sregs: { ...state.sregs, idt: { base: 0n, limit: 0 } } }
    const vcpus = [
      { id: 0, state: new Error('not readable') },
      { id: 1, state: user },
      { id: 2, state },
    ]
    expect(examine(remains(memory, state, { vcpus }), symbols, disassembler).slide).toBe('0x12600000')
  })
  test.each<[string, (guest: ReturnType<typeof kernel>) => void]>([
    ['an IDT that is too short', ({ state }) => (state.sregs.idt.limit = 14 * 16 + 14)],
    ['an IDT that is not mapped', ({ state }) => (state.sregs.idt.base = 0x1000n)],
    ['handlers that disagree', ({ memory }) => writeIdt(memory, KERNEL, KERNEL + 0x20n)],
    ['an odd distance', ({ memory }) => writeIdt(memory, KERNEL + 0x1000n, KERNEL + 0x1010n)],
    ['one that is too far', ({ memory }) => writeIdt(memory, LINKED + 2n ** 30n, LINKED + 2n ** 30n + 0x10n)],
    ['one downwards', ({ memory }) => writeIdt(memory, LINKED - 2n ** 21n, LINKED - 2n ** 21n + 0x10n)],
  ])('%s says nothing', (_name, change) => {
    expect(slideOf(change)).toBeUndefined()
  })
  test('symbols that are not Linux’s', () => {
    expect(slideOf(() => undefined, parseSymbols(systemMap([[LINKED, 'T', 'main']])))).toBeUndefined()
  })
  test('without symbols there is none', () => {
    const { memory, state } = kernel()
    expect(examine(remains(memory, state), undefined, disassembler)).not.toHaveProperty('slide')
  })
})

describe('one vCPU', () => {
  test('memory at the instruction pointer that cannot be read', async () => {
    const report = await inspectCpu(cpu({ rip: 0x1234_5678n }), new TestMemory())
    expect(report).toMatchObject({ code: [], codeProblem: '0x12345678 is at 0x12345678, where there is no memory' })
    expect(report.stack).toEqual([{ address: '0x12345678', from: 'rip' }])
  })
  test('memory that ends behind the instruction pointer', async () => {
    const memory = new TestMemory(0x2000).put(0x1ffe, [0x90, 0xb8])
    const { code, codeProblem } = await inspectCpu(cpu({ rip: 0x1ffen }), memory)
    expect(code.map(({ text, bytes }) => text ?? bytes)).toEqual(['nop', 'b8'])
    expect(codeProblem).toMatch(/^0x2000 /)
  })
  test('real mode: the instruction pointer counts in its segment', async () => {
    const memory = new TestMemory().put(0x1_0050, [0xcd, 0x10])
    const sregs = { cr0: 0n, cs: { ...CODE_16, base: 0x1_0000n } }
    const report = await inspectCpu(cpu({ rip: 0x50n, sregs }), memory)
    expect(report).toMatchObject({ mode: 'real mode', codeSize: 16, cpl: 0 })
    expect(report.code[0]).toEqual({ address: '0x10050', bytes: 'cd10', text: 'int 0x10', current: true })
  })
  test('the modes', async () => {
    const { state, memory } = kernel()
    const mode = async (change: (changed: CpuState) => void) => {
      const copy = structuredClone(state)
      change(copy)
      const { mode: name, codeSize, cpl } = await inspectCpu(copy, memory)
      return [name, codeSize, cpl]
    }
    expect(await mode(() => undefined)).toEqual(['64-bit mode', 64, 0])
    expect(await mode(({ sregs }) => (sregs.ss.dpl = 3))).toEqual(['64-bit mode', 64, 3])
    expect(await mode(({ sregs }) => Object.assign(sregs.cs, { l: 0, db: 1 }))).toEqual(['compatibility mode', 32, 0])
    expect(await mode(({ sregs }) => Object.assign(sregs, { efer: 0n, cr0: 1n }))).toEqual(['protected mode', 16, 0])
    const v8086 = ({ regs, sregs }: CpuState) => {
      Object.assign(sregs, { efer: 0n, cr0: 1n })
      regs.rflags = 0x2_0002n
    }
    expect(await mode(v8086)).toEqual(['virtual-8086 mode', 16, 3])
  })
  test('in the middle of an instruction nothing is shown before it', async () => {
    const { state, memory } = kernel()
    state.regs.rip = KERNEL + 0x105n
    const { code } = await inspectCpu(state, memory, { symbols: symbols.withSlide(SLIDE) })
    expect(code[0]).toMatchObject({ current: true, symbol: 'panic+0x5' })
  })
})

test('a vCPU that the processor has reset', () => {
  const sregs = { cr0: 0x6000_0010n, cs: { ...CODE_16, base: 0xffff_0000n } }
  const reset = cpu({ rip: 0xfff0n, sregs })
  const report = (outcome: string) =>
    examine(remains(new TestMemory(), reset, { outcome }), undefined, disassembler).vcpus[0]?.problem
  expect(report('triple-fault')).toMatch(/does not keep/)
  expect(report('timeout')).toBeUndefined()
})
