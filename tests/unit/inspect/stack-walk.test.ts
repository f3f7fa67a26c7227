// The chain of calls on stacks of every width: frame pointers, what stands in for them, and stacks that a guest has made up.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { type CpuState, LinearMemory, parseSymbols, walkStack } from '../../../lib/inspect/index.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { CODE_16, cpu, mapLong, type Registers, systemMap, TestMemory } from './guest.js'

const walk = (state: CpuState, memory: TestMemory, symbols?: Parameters<typeof walkStack>[2]) =>
  walkStack(state, new LinearMemory(memory, state.sregs), symbols).map(({ address, from }) => [Number(address), from])

/** A call that ends at each address. */
function calls(memory: TestMemory, ...returns: number[]): TestMemory {
  for (const address of returns) memory.put(address - 5, [0xe8, 0, 0, 0, 0])
  return memory
}

const MAP = parseSymbols(
  systemMap([
    [0x1_0000, 'T', 'a'],
    [0x1_1000, 'T', 'b'],
    [0x1_2000, 'T', 'c'],
    [0x1_3000, 'D', 'data'],
  ]),
)

describe('64 bits', () => {
  /** Code from 0x1_0000 on, and a stack below 0x9000. */
  function guest(registers: Registers = {}) {
    const memory = calls(new TestMemory(), 0x1_0100, 0x1_1100, 0x1_2100)
    const sregs = mapLong(memory)
    return { memory, state: cpu({ rip: 0x1_0050n, rsp: 0x8000n, rbp: 0x8010n, sregs, ...registers }) }
  }
  /** Two frames, and a last one with a frame pointer of 0. */
  const chain = (memory: TestMemory) =>
    memory.write64(0x8010, 0x8030n).write64(0x8018, 0x1_0100n).write64(0x8030, 0n).write64(0x8038, 0x1_1100n)

  test('follows frame pointers to the outermost frame', () => {
    const { memory, state } = guest()
    const expected = [
      [0x1_0050, 'rip'],
      [0x1_0100, 'frame'],
      [0x1_1100, 'frame'],
    ]
    expect(walk(state, chain(memory))).toEqual(expected)
    expect(walk(state, memory, MAP)).toEqual(expected)
  })

  test('with symbols, what the chain leaves out is there, but marked', () => {
    const { memory, state } = guest()
    chain(memory)
    for (const at of [0x8000, 0x8020, 0x8048]) memory.write64(at, 0x1_2100n)
    expect(walk(state, memory)).toHaveLength(3)
    expect(walk(state, memory, MAP)).toEqual([
      [0x1_0050, 'rip'],
      [0x1_2100, 'scan'],
      [0x1_0100, 'frame'],
      [0x1_2100, 'scan'],
      [0x1_1100, 'frame'],
      [0x1_2100, 'scan'],
    ])
  })

  test('where the chain breaks, with symbols it goes on with what is on the stack', () => {
    const { memory, state } = guest()
    chain(memory).write64(0x8030, 0xdead_beefn)
    memory
      .write64(0x8040, 0x1_2100n) // behind a call, with a symbol
      .write64(0x8048, 0x1_2200n) // no call before it
      .write64(0x8050, 0x1_3100n) // data
      .write64(0x8058, 0xffff_ffff_ffff_ffffn)
      .write64(0x8060, 0x1_0100n)
    calls(memory, 0x1_3100)
    const frames = [
      [0x1_0050, 'rip'],
      [0x1_0100, 'frame'],
      [0x1_1100, 'frame'],
    ]
    expect(walk(state, memory)).toEqual(frames)
    expect(walk(state, memory, MAP)).toEqual([...frames, [0x1_2100, 'scan'], [0x1_0100, 'scan']])
  })

  test('a frame pointer that is none: only the scan', () => {
    const { memory, state } = guest({ rbp: 0x1234_5678n })
    memory.write64(0x8008, 0x1_1100n)
    expect(walk(state, memory, MAP)).toEqual([
      [0x1_0050, 'rip'],
      [0x1_1100, 'scan'],
    ])
    expect(walk(state, memory)).toEqual([[0x1_0050, 'rip']])
  })

  describe('a function that has not set up its frame, or has left it', () => {
    const PUSH_MOV = [0x55, 0x48, 0x89, 0xe5]
    const ENDBR = [0xf3, 0x0f, 0x1e, 0xfa]
    test.each([
      ['at its first instruction', PUSH_MOV, 0n, 0],
      ['behind push rbp', PUSH_MOV, 1n, 1],
      ['at endbr64', [...ENDBR, ...PUSH_MOV], 0n, 0],
      ['behind endbr64', [...ENDBR, ...PUSH_MOV], 4n, 0],
      ['behind endbr64 and push rbp', [...ENDBR, ...PUSH_MOV], 5n, 1],
      ['at ret', [...PUSH_MOV, 0x5d, 0xc3], 5n, 0],
      ['at ret 8', [...PUSH_MOV, 0x5d, 0xc2, 8, 0], 5n, 0],
    ] as const)('%s', (_name, code, offset, slot) => {
      const { memory, state } = guest({ rip: 0x1_0000n + offset })
      chain(memory.put(0x1_0000, code)).write64(0x8000 + slot * 8, 0x1_2100n)
      expect(walk(state, memory, MAP).slice(0, 3)).toEqual([
        [0x1_0000 + Number(offset), 'rip'],
        [0x1_2100, 'frame'],
        [0x1_0100, 'frame'],
      ])
    })
    test('once its frame is set up, the frame pointer counts', () => {
      const { memory, state } = guest({ rip: 0x1_0004n })
      chain(memory.put(0x1_0000, PUSH_MOV)).write64(0x8000, 0x1_2100n)
      const frames = walk(state, memory, MAP).filter(([, from]) => from === 'frame')
      expect(frames[0]).toEqual([0x1_0100, 'frame'])
    })
  })

  test('a call to where nothing is: the caller is on top of the stack', () => {
    const { memory, state } = guest({ rip: 0xffff_ffff_ffff_fff0n })
    chain(memory).write64(0x8000, 0x1_2100n)
    const addresses = walkStack(state, new LinearMemory(memory, state.sregs)).map(({ address }) => address)
    expect(addresses).toEqual([0xffff_ffff_ffff_fff0n, 0x1_2100n, 0x1_0100n, 0x1_1100n])
  })

  test('a frame pointer that leads to itself or downwards ends the walk', () => {
    for (const next of [0x8010n, 0x8008n]) {
      const { memory, state } = guest()
      memory.write64(0x8010, next).write64(0x8018, 0x1_0100n)
      expect(walk(state, memory)).toHaveLength(2)
    }
  })
  test('a stack that goes on for ever is cut off', () => {
    const { memory, state } = guest()
    for (let at = 0x8010; at < 0xf000; at += 16) memory.write64(at, BigInt(at + 16)).write64(at + 8, 0x1_0100n)
    expect(walk(state, memory)).toHaveLength(32)
    expect(walk(state, memory, MAP)).toHaveLength(32)
  })
  test('a stack full of return addresses is cut off', () => {
    const { memory, state } = guest({ rbp: 1n })
    for (let at = 0x8000; at < 0xf000; at += 8) memory.write64(at, 0x1_0100n)
    expect(walk(state, memory, MAP)).toHaveLength(32)
  })
  test('a stack that is not mapped', () => {
    const { memory, state } = guest({ rsp: 0xdead_0000_0000n, rbp: 0xdead_0000_0010n })
    expect(walk(state, memory, MAP)).toEqual([[0x1_0050, 'rip']])
  })
  test('a call is recognized in every form', () => {
    const forms = [
      [0xe8, 1, 2, 3, 4], // call rel32
      [0xff, 0xd0], // call rax
      [0x41, 0xff, 0xd3], // call r11
      [0xff, 0x10], // call [rax]
      [0xff, 0x14, 0xc5, 1, 2, 3, 4], // call [rax * 8 + disp32]
      [0xff, 0x54, 0x24, 8], // call [rsp + 8]
      [0xff, 0x50, 8], // call [rax + 8]
      [0xff, 0x90, 1, 2, 3, 4], // call [rax + disp32]
      [0xff, 0x94, 0x24, 1, 2, 3, 4], // call [rsp + disp32]
      [0xff, 0x15, 1, 2, 3, 4], // call [rip + disp32]
    ]
    const others = [
      [0xe9, 1, 2, 3, 4], // jmp rel32
      [0xff, 0xe0], // jmp rax
      [0xff, 0x10, 0x90], // a nop behind the call
      [0xe8, 1, 2, 3, 4, 0x90],
    ]
    const found = (code: readonly number[]) => {
      const { memory, state } = guest()
      memory
        .write64(0x8010, 0n)
        .write64(0x8018, 0x2_0000n)
        .put(0x2_0000 - code.length, code)
      return walk(state, memory).length === 2
    }
    expect(forms.map(found)).toEqual(forms.map(() => true))
    expect(others.map(found)).toEqual(others.map(() => false))
  })
})

test('32 bits, and a code segment that does not begin at 0', () => {
  const memory = calls(new TestMemory(), 0x1_0100, 0x1_1100)
    .write32(0x8010, 0x8020n)
    .write32(0x8014, 0x100n)
    .write32(0x8020, 0n)
    .write32(0x8024, 0x1100n)
  const state = cpu({ rip: 0x50n, rsp: 0x8000n, rbp: 0xffff_ffff_0000_8010n })
  state.sregs.cs = { ...state.sregs.cs, base: 0x1_0000n }
  expect(walk(state, memory)).toEqual([
    [0x1_0050, 'rip'],
    [0x1_0100, 'frame'],
    [0x1_1100, 'frame'],
  ])
})

test('16 bits: real mode, the stack in its own segment', () => {
  const memory = new TestMemory()
  const word = (value: number) => [value & 0xff, value >> 8]
  memory.put(0x1_0100 - 3, [0xe8, 0, 0]).put(0x1_0200 - 4, [0xff, 0x16, 0, 0]) // call rel16; call [disp16]
  memory.put(0x2_8010, [...word(0x8020), ...word(0x100)]).put(0x2_8020, [...word(0), ...word(0x200)])
  const { ss } = cpu({}).sregs
  const sregs = { cr0: 0n, cs: { ...CODE_16, base: 0x1_0000n }, ss: { ...ss, base: 0x2_0000n } }
  expect(walk(cpu({ rip: 0x50n, rsp: 0x8000n, rbp: 0x8010n, sregs }), memory)).toEqual([
    [0x1_0050, 'rip'],
    [0x1_0100, 'frame'],
    [0x1_0200, 'frame'],
  ])
})

test('any registers and any stack: at most 32 frames, the first of which is the instruction pointer', () => {
  const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
  const near = fc.oneof(word, fc.bigInt({ min: 0n, max: 0x2_0000n }))
  const modes = fc.constantFrom<(memory: TestMemory) => Registers['sregs']>(
    (memory) => mapLong(memory),
    () => ({}),
    () => ({ cr0: 0n, cs: CODE_16 }),
  )
  fc.assert(
    fc.property(modes, near, near, near, fc.array(near, { maxLength: 64 }), (mode, rip, rsp, rbp, stack) => {
      const memory = calls(new TestMemory(0x2_0000), 0x1_0100)
      const sregs = mode(memory)
      for (const [index, value] of stack.entries()) memory.write64(0x8000 + index * 8, value)
      const state = cpu({ rip, rsp, rbp, ...(sregs === undefined ? {} : { sregs }) })
      const frames = walkStack(state, new LinearMemory(memory, state.sregs), MAP)
      expect(frames[0]?.from).toBe('rip')
      expect(frames.length).toBeLessThanOrEqual(32)
    }),
    fuzzRuns(),
  )
})
