// Reads that the vCPU's thread answers from a counter on the host's clock.
import { describe, expect, test } from 'vitest'

import { PATIENCE } from './amounts.js'
import { assemble, CLEAR_EAX, HLT, inDx, load, load64, movAl, movCx, movDi, movDx } from './guests.js'
import { movEs, outAl, outDx, repIns, type Width } from './guests.js'
import { longModeMachine, machine, runTo } from './machine.js'
import { addVcpu, runToHalt, until } from './threaded.js'
import { count } from './cells.js'

const PORT = 0x100
const NEVER = 2n ** 64n - 1n
const VALUE = 0x8877_6655_4433_2211n
const MAX_FREQUENCY = 10_000_000_000
const options = { timeout: PATIENCE }
const bytesOf = (offset: number, width: number) => BigInt.asUintN(8 * width, VALUE >> BigInt(8 * offset))
/** mov [di], eax; add di, 4 */
const STOSD = [0x66, 0xab]

interface Counter {
  frequency: number
  bits: number
  value: bigint
  epoch: bigint
}

/** What it stands at when the host's clock says that. */
const at = ({ frequency, bits, value, epoch }: Counter, now: bigint) =>
  BigInt.asUintN(bits, value + ((now > epoch ? now - epoch : 0n) * BigInt(frequency)) / 1_000_000_000n)

/** Whether the values were read one after the other between those times. */
function expectBetween(counter: Counter, before: bigint, values: readonly bigint[], after: bigint) {
  const sinceBefore = (value: bigint) => BigInt.asUintN(counter.bits, value - at(counter, before))
  let last = 0n
  for (const value of values.map(sinceBefore)) {
    expect(value).toBeGreaterThanOrEqual(last)
    last = value
  }
  expect(last).toBeLessThanOrEqual(sinceBefore(at(counter, after)))
}

describe('a counter', options, () => {
  const widths: Width[] = [1, 2, 4]
  const cases = [1, 2, 3, 4, 5, 6, 7, 8].flatMap((register) =>
    widths.flatMap((width) => Array.from({ length: 8 }, (_, offset) => ({ register, width, offset }))),
  )

  test('is answered at each width and offset that lies in it; else it exits', async () => {
    for (const { register, width, offset } of cases) {
      if (offset + width > register + 1) continue // one past the end is enough
      using m = machine(assemble(CLEAR_EAX, movDx(PORT + offset), inDx(width), HLT))
      const counter = { frequency: 1, bits: 8 * register, value: bytesOf(0, register), epoch: NEVER }
      count(m.vm, { port: PORT, width: register }, counter)
      let exits = 0
      await runToHalt(m.vcpu, (exit) => {
        exits++
        if (exit.reason === 'io') exit.data.fill(0xff)
      })
      const inside = offset + width <= register
      const expected = inside ? bytesOf(offset, width) : 2n ** BigInt(8 * width) - 1n
      const { latched } = m.vcpu.stats!
      expect([register, width, offset, exits, latched, m.vcpu.getRegs().rax]).toEqual([
        ...[register, width, offset],
        ...(inside ? [0, 1] : [1, 0]),
        expected,
      ])
    }
  })

  test('one port before it exits', async () => {
    using m = machine(assemble(movDx(PORT - 1), inDx(1), inDx(2), HLT))
    count(m.vm, { port: PORT, width: 4 }, { frequency: 1, bits: 32 })
    const exits: string[] = []
    await runToHalt(m.vcpu, (exit) => void exits.push(exit.reason))
    expect(exits).toEqual(['io', 'io'])
  })

  // Reads of four bytes, so that is how much of it can be compared.
  test.each<[string, number, number, bigint, bigint?]>([
    ['the power management timer', 3_579_545, 24, 0xff_ffffn, 0n],
    ['a slow one', 1, 32, 7n, 0n],
    ['a fast one', MAX_FREQUENCY, 32, 0n],
    ['one that has been running for as long as there is', MAX_FREQUENCY, 32, 0xffff_ffffn, 0n],
    ['one of nanoseconds', 1_000_000_000, 31, 0n, 0n],
    ['one of a bit', 3, 1, 1n, 0n],
  ])('never falls and keeps time: %s', async (_, frequency, bits, value, epoch = process.hrtime.bigint()) => {
    const reads = 200
    using m = machine(assemble(movDi(0x2000), movDx(PORT), movCx(reads), repIns(4), inDx(4), STOSD, HLT))
    const counter = { frequency, bits, value, epoch }
    count(m.vm, { port: PORT, width: 4 }, counter)
    const before = process.hrtime.bigint()
    await runToHalt(m.vcpu)
    const after = process.hrtime.bigint()
    expect(m.vcpu.stats!.latched).toBe(reads + 1)
    const values = Array.from({ length: reads + 1 }, (_, index) => BigInt(m.vm.memory.readUint32(0x2000 + 4 * index)))
    // One that may have gone round in the meantime says less.
    if (((after - before) * BigInt(frequency)) / 1_000_000_000n < 2n ** BigInt(bits) - 1n) {
      expectBetween(counter, before, values, after)
    }
    expect(values.every((each) => each < 2n ** BigInt(bits))).toBe(true)
  })

  test.each<[string, bigint, bigint?]>([
    ['since now', 0n],
    ['since the clock began, past the end of 64 bits', 2n ** 64n - 1n, 0n],
  ])('of 64 bits, at an address: %s', async (_, value, epoch = process.hrtime.bigint()) => {
    const address = 0x1_0000_0000
    // mov rbx, [address], by way of rax
    using m = longModeMachine(assemble(load64(address), [0x48, 0x89, 0xc3], load64(address), HLT))
    const counter = { frequency: MAX_FREQUENCY, bits: 64, value, epoch }
    count(m.vm, { address, width: 8 }, counter)
    const before = process.hrtime.bigint()
    await runToHalt(m.vcpu)
    const { rax, rbx } = m.vcpu.getRegs()
    expectBetween(counter, before, [rbx, rax], process.hrtime.bigint())
    expect(rax).not.toBe(rbx)
  })

  test.each(widths)('of %i bytes of memory that is not there', async (width) => {
    using m = machine(assemble(movEs(0x2000), CLEAR_EAX, load(width, 0x13), HLT))
    count(m.vm, { address: 0x2_0010, width: 8 }, { frequency: 1, bits: 64, value: VALUE, epoch: NEVER })
    await runToHalt(m.vcpu)
    expect(m.vcpu.getRegs().rax).toBe(bytesOf(3, width))
  })

  test('begins at 0 and now when nothing else is said', async () => {
    using m = machine(assemble(CLEAR_EAX, movDx(PORT), inDx(4), HLT))
    const before = process.hrtime.bigint()
    count(m.vm, { port: PORT, width: 4 }, { frequency: 1000, bits: 32 })
    await runToHalt(m.vcpu)
    const most = ((process.hrtime.bigint() - before) * 1000n) / 1_000_000_000n
    expect(m.vcpu.getRegs().rax).toBeLessThanOrEqual(most)
  })

  test('serves every vCPU', async () => {
    using m = machine(assemble(movDx(PORT), inDx(1), HLT))
    m.vm.memory.write(0x3000, assemble(movDx(PORT + 1), inDx(1), HLT))
    count(m.vm, { port: PORT, width: 2 }, { frequency: 1, bits: 16, value: 0x2211n, epoch: NEVER })
    const second = addVcpu(m, 1, 0x3000)
    await Promise.all([runToHalt(m.vcpu), runToHalt(second)])
    expect([m.vcpu.getRegs().rax & 0xffn, second.getRegs().rax & 0xffn]).toEqual([0x11n, 0x22n])
  })

  test('is none for writes, in the other space, and with run()', async () => {
    using m = machine(assemble(movDx(PORT), movAl(7), outDx(1), movEs(0x2000), load(1, PORT), inDx(1), HLT))
    count(m.vm, { port: PORT, width: 1 }, { frequency: 1, bits: 8 })
    const exits: unknown[] = []
    await m.vcpu.start((exit) => {
      exits.push(exit.reason === 'io' ? exit.direction : exit.reason)
      if (exit.reason === 'mmio') void m.vcpu.stop()
    })
    expect(exits).toEqual(['out', 'mmio'])
    expect(runTo(m.vcpu, 'io').direction).toBe('in')
  })
})

describe('setting it', options, () => {
  test('takes effect while the guest runs', async () => {
    // in al, dx; cmp al, 3; jne back; hlt
    using m = machine(assemble(movDx(PORT), inDx(1), [0x3c, 3], [0x75, 0xfb], HLT))
    const counter = count(m.vm, { port: PORT, width: 1 }, { frequency: 1, bits: 8, epoch: NEVER })
    const finished = runToHalt(m.vcpu)
    for (const value of [0n, 1n, 2n, 3n]) {
      const before = m.vcpu.stats?.latched ?? 0
      await until(() => (m.vcpu.stats?.latched ?? 0) > before)
      counter.cell.set(value, NEVER)
    }
    await finished
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(3n)
  })

  test('gives value and time together: no read mixes two of them', async () => {
    // in eax, dx; test eax, eax; js back; jz back; out 1; hlt
    const loop = [...inDx(4), 0x66, 0x85, 0xc0, 0x78, 0xf9, 0x74, 0xf7]
    using m = machine(assemble(movDx(PORT), loop, outAl(1), HLT))
    const counter = count(m.vm, { port: PORT, width: 4 }, { frequency: 1, bits: 32, epoch: NEVER })
    // Together they make the highest bit; each with the other's counterpart is something else.
    const seconds = process.hrtime.bigint() / 1_000_000_000n
    expect(seconds).toBeGreaterThan(0n)
    const finished = m.vcpu.start(() => {
      throw new Error('the guest has seen the value of one setting and the time of another')
    })
    for (let round = 0; (m.vcpu.stats?.latched ?? 0) < 500; round++) {
      if (round % 2 === 0) counter.cell.set(0n, NEVER)
      else counter.cell.set(0x8000_0000n - seconds, 0n)
    }
    await m.vcpu.stop()
    await finished
  })

  test('starts it now when no time is said', async () => {
    using m = machine(assemble(CLEAR_EAX, movDx(PORT), inDx(4), HLT))
    const counter = count(m.vm, { port: PORT, width: 4 }, { frequency: 1000, bits: 32, epoch: 0n })
    const before = process.hrtime.bigint()
    counter.cell.set(0x8000_0000n)
    await runToHalt(m.vcpu)
    const most = ((process.hrtime.bigint() - before) * 1000n) / 1_000_000_000n
    const { rax } = m.vcpu.getRegs()
    expect(rax >= 0x8000_0000n && rax <= 0x8000_0000n + most).toBe(true)
  })
})
