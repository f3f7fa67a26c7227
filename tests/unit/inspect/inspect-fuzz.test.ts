// A dead guest that has left anything in its registers, page tables and memory: there is a report, in bounded work.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { type CodeSize, type CpuState, formatPostMortem, parseSymbols } from '../../../lib/inspect/index.js'
import { loadDisassembler } from '../../../lib/inspect/disassemble.js'
import { examine } from '../../../lib/inspect/post-mortem.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { cpu, mapLong, systemMap, TestMemory } from './guest.js'

const disassembler = await loadDisassembler()
const SIZE = 0x1_0000
/** A stack has 8,192 words of 16 bits. Each may point behind a call at the edge of memory: 7 reads over two pages. */
const MOST_READS = 8192 * 14 + 2000
const MOST_BYTES = 8192 * 27 + 0x1_0000
const MOST_TEXT = 0x4000

/** Memory that counts what is read. */
class CountingMemory extends TestMemory {
  reads = 0
  bytesRead = 0

  override read(address: number, length: number): Uint8Array | undefined {
    this.reads++
    this.bytesRead += length
    return super.read(address, length)
  }
}

const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** Addresses near the memory, near the ends of the address spaces, and anywhere. */
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: BigInt(SIZE) }),
  fc.constantFrom(0x7fff_ffff_ffffn, 0xffff_8000_0000_0000n, 0xffff_ffffn, 2n ** 64n - 1n, 0xffff_ffff_8100_0000n),
  word,
)
const segment = fc.record({
  base: address,
  limit: fc.nat(0xffff_ffff),
  selector: fc.nat(0xffff),
  type: fc.nat(15),
  present: fc.nat(1),
  dpl: fc.nat(3),
  db: fc.nat(1),
  s: fc.nat(1),
  l: fc.nat(1),
  g: fc.nat(1),
  avl: fc.nat(1),
  unusable: fc.nat(1),
})
const table = fc.record({ base: address, limit: fc.nat(0xffff) })
const control = fc.oneof(word, fc.constantFrom(0n, 1n, 0x8000_0001n, 0x20n, 0x1020n, 0x500n, 0xd00n, 0x1000n))

const state: fc.Arbitrary<CpuState> = fc
  .record({
    general: fc.record({ rip: address, rsp: address, rbp: address, rax: word, rflags: word }),
    segments: fc.record({ cs: segment, ss: segment, ds: segment, tr: segment }, { requiredKeys: [] }),
    system: fc.record(
      { gdt: table, idt: table, cr0: control, cr2: word, cr3: control, cr4: control, cr8: word, efer: control },
      { requiredKeys: [] },
    ),
  })
  .map(({ general, segments, system }) => {
    const { regs, sregs } = cpu({})
    return { regs: { ...regs, ...general }, sregs: { ...sregs, ...segments, ...system } }
  })

const entry = fc.oneof(
  address,
  word,
  fc.nat(15).map((page) => (BigInt(page) << 12n) | 7n),
)
const contents = fc.record({
  entries: fc.array(fc.tuple(fc.nat(SIZE / 8 - 1), entry), { maxLength: 60 }),
  code: fc.uint8Array({ maxLength: 64 }),
  at: fc.nat(SIZE - 64),
})

function memoryWith({ entries, code, at }: typeof contents extends fc.Arbitrary<infer T> ? T : never): CountingMemory {
  const memory = new CountingMemory(SIZE)
  for (const [index, value] of entries) memory.write64(index * 8, value)
  memory.put(at, code)
  return memory
}

const symbols = parseSymbols(
  systemMap([
    [0x0n, 'T', 'zero'],
    [0x4000n, 'T', 'asm_exc_divide_error'],
    [0x8000n, 'T', 'asm_exc_page_fault'],
    [0xffff_ffff_8100_0000n, 'T', 'start'],
    [0xffff_ffff_ffff_ff00n, 'T', 'last'],
  ]),
)

test('a report on anything: plain data, printable, and bounded', () => {
  fc.assert(
    fc.property(
      contents,
      fc.array(state, { minLength: 1, maxLength: 2 }),
      fc.boolean(),
      fc.boolean(),
      (content, states, named, mapped) => {
        const memory = memoryWith(content)
        const longMode = mapped ? mapLong(memory) : {}
        const vcpus = states.map(({ regs, sregs }, id) => ({ id, state: { regs, sregs: { ...sregs, ...longMode } } }))
        const remains = { summary: 'it died', vcpu: 0, vcpus, memory, exits: [], console: [] }
        const report = examine(remains, named ? symbols : undefined, disassembler)
        expect(JSON.parse(JSON.stringify(report))).toEqual(report)
        const text = formatPostMortem(report)
        expect(text).toMatch(/^[ -~\n]*$/)
        expect(text.length).toBeLessThan(MOST_TEXT)
        expect(memory.reads).toBeLessThan(MOST_READS * vcpus.length)
        expect(memory.bytesRead).toBeLessThan(MOST_BYTES * vcpus.length)
      },
    ),
    fuzzRuns(0.5),
  )
})

test('instructions of any bytes lie one behind the other', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.constantFrom<CodeSize>(16, 32, 64),
      word,
      (bytes, codeSize, start) => {
        const instructions = disassembler(bytes, { address: start, codeSize })
        expect(instructions.flatMap((instruction) => [...instruction.bytes])).toEqual([...bytes])
        let next = start
        for (const { address: at, bytes: own, text } of instructions) {
          expect(at).toBe(next)
          expect(own.length).toBeGreaterThan(0)
          expect(text ?? '').toMatch(/^[ -~]{0,200}$/)
          next = BigInt.asUintN(64, next + BigInt(own.length))
        }
      },
    ),
    fuzzRuns(),
  )
})
