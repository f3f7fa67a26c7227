// Posted writes for which JavaScript is not woken.
import { describe, expect, test } from 'vitest'

import { PATIENCE } from './amounts.js'
import { assemble, CLI, decCxJnzBack, HLT, INC_AX, movAl, movAx, movCx, movDx, outAl, outDx, SPIN } from './guests.js'
import { machine, type Machine } from './machine.js'
import { addVcpu, block, runToHalt, turn, until } from './threaded.js'
import { choose, post } from './cells.js'

const RING = 1024 // native/vcpu_thread.h
const [LAZY, EAGER] = [1, 4]
const options = { timeout: PATIENCE }

/** The guest writes each of them to the port. */
const put = (port: number, ...values: number[]) => values.flatMap((value) => [...movAl(value), ...outAl(port)])
/** The guest writes 0 to count - 1, 16 bits each. */
const count = (port: number, until: number) => [
  ...[...movCx(until), ...movAx(0), ...movDx(port)],
  ...[...outDx(2), ...INC_AX, ...decCxJnzBack(2)],
]

/** What is written to the two ports, as it is heard. */
function listen({ vm }: Machine, length = 1) {
  const heard: string[] = []
  const hear = (what: string) => (_: number, data: Uint8Array) => {
    heard.push(`${what} ${data[0]! + 256 * (data[1] ?? 0)}`)
  }
  const range = post(vm, { port: LAZY, length, lazy: true }, hear('lazy'))
  post(vm, { port: EAGER, length: 1 }, hear('eager'))
  return { heard, range }
}

/** Resolves when the guest has posted so many, and the event loop has had time to hear of them. */
async function posted({ vcpu }: Machine, writes: number) {
  await until(() => vcpu.stats!.posted === writes)
  for (let turns = 0; turns < 10; turns++) await turn()
}

describe('a lazy write', options, () => {
  test.each(['pause()', 'stop()', 'vm.pause()'] as const)('wakes nobody, and is heard by %s', async (how) => {
    using m = machine(assemble(put(LAZY, 1, 2, 3), SPIN))
    const { heard } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await posted(m, 3)
    expect([heard, m.vcpu.stats!.notified]).toEqual([[], 0])
    if (how === 'vm.pause()') await m.vm.pause()
    else if (how === 'pause()') await m.vcpu.pause()
    else await m.vcpu.stop()
    expect(heard).toEqual(['lazy 1', 'lazy 2', 'lazy 3'])
    await m.vcpu.stop()
    await finished
  })

  test('of a guest that halts for ever is heard when its vCPU stops', async () => {
    using m = machine(assemble(put(LAZY, 1, 2), CLI, HLT), { irqchip: true })
    const { heard } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await posted(m, 2)
    expect(heard).toEqual([])
    await m.vcpu.stop()
    await finished
    expect(heard).toEqual(['lazy 1', 'lazy 2'])
  })

  test('is heard in order with one that is not lazy, which needs no exit', async () => {
    using m = machine(assemble(put(LAZY, 1, 2), put(EAGER, 3), SPIN))
    const { heard } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await until(() => heard.length === 3)
    expect(heard).toEqual(['lazy 1', 'lazy 2', 'eager 3'])
    await m.vcpu.stop()
    await finished
  })

  test('leaves the next one that is not lazy its wake-up', async () => {
    using m = machine(assemble(put(EAGER, 1), put(LAZY, 2), put(EAGER, 3), put(LAZY, 4), SPIN))
    const { heard } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await until(() => heard.includes('eager 3'))
    await m.vcpu.stop()
    await finished
    expect(heard).toEqual(['eager 1', 'lazy 2', 'eager 3', 'lazy 4'])
  })

  test('is heard before the next exit', async () => {
    using m = machine(assemble(put(LAZY, 1), outAl(9), put(LAZY, 2, 3), outAl(9), HLT))
    const { heard } = listen(m)
    await runToHalt(m.vcpu, () => void heard.push('exit'))
    expect(heard).toEqual(['lazy 1', 'exit', 'lazy 2', 'lazy 3', 'exit'])
    expect(m.vcpu.stats!.delivered).toBe(3)
  })

  test("is heard before another vCPU's exit", async () => {
    using m = machine(assemble(put(LAZY, 1, 2), SPIN))
    m.vm.memory.write(0x3000, assemble(outAl(9), HLT))
    const { heard } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await posted(m, 2)
    await runToHalt(addVcpu(m, 1, 0x3000), () => void heard.push('exit'))
    expect(heard).toEqual(['lazy 1', 'lazy 2', 'exit'])
    await m.vcpu.stop()
    await finished
  })

  test('that has been made is dropped when its range closes', async () => {
    using m = machine(assemble(put(LAZY, 1), SPIN))
    const { heard, range } = listen(m)
    const finished = m.vcpu.start(() => undefined)
    await posted(m, 1)
    range.close()
    await m.vcpu.stop()
    await finished
    expect(heard).toEqual([])
  })

  test('whose listener throws stops the vCPU', async () => {
    using m = machine(assemble(put(LAZY, 1), outAl(9), HLT))
    post(m.vm, { port: LAZY, length: 1, lazy: true }, () => {
      throw new Error('mine')
    })
    await expect(m.vcpu.start(() => expect.unreachable())).rejects.toThrow('mine')
  })
})

describe('many lazy writes', options, () => {
  const all = (length: number) => Array.from({ length }, (_, index) => `lazy ${index}`)

  test('wake nobody until half of the ring is full', async () => {
    using m = machine(assemble(count(LAZY, RING / 2 - 1), SPIN))
    const { heard } = listen(m, 2)
    const finished = m.vcpu.start(() => undefined)
    await posted(m, RING / 2 - 1)
    expect([heard, m.vcpu.stats!.notified]).toEqual([[], 0])
    await m.vcpu.stop()
    await finished
    expect(heard).toEqual(all(RING / 2 - 1))
  })

  test('are heard when half of it is', async () => {
    using m = machine(assemble(count(LAZY, RING / 2), SPIN))
    const { heard } = listen(m, 2)
    const finished = m.vcpu.start(() => undefined)
    await until(() => heard.length === RING / 2)
    expect(heard).toEqual(all(RING / 2))
    await m.vcpu.stop()
    await finished
  })

  test('fill the ring, and none is lost', async () => {
    const many = 3 * RING + 7
    using m = machine(assemble(count(LAZY, many), HLT))
    const { heard } = listen(m, 2)
    const finished = runToHalt(m.vcpu)
    while (m.vcpu.stats!.posted < RING) block(1)
    block(20)
    expect([heard, m.vcpu.stats!.posted]).toEqual([[], RING])
    await finished
    expect(heard).toEqual(all(many))
  })

  test('to one port are not gathered by the kernel, which would have JavaScript look for them', async () => {
    using m = machine(assemble(count(LAZY, 5000), HLT))
    const { heard } = listen(m, 2)
    const finished = runToHalt(m.vcpu)
    while (m.vcpu.stats!.posted < 700) block(1)
    await finished
    const { posted, exits } = m.vcpu.stats!
    expect([heard.length, posted, exits.io]).toEqual([5000, 5000, 5000])
  })

  test('do not keep others from being gathered', async () => {
    using m = machine(assemble(count(LAZY, 100), count(0x100, 5000), HLT))
    const { heard } = listen(m, 2)
    post(m.vm, { port: 0x100, length: 2 }, (_, data) => heard.push(`dense ${data[0]! + 256 * data[1]!}`))
    const finished = runToHalt(m.vcpu)
    while (m.vcpu.stats!.posted < 700) block(1)
    await finished
    expect(heard).toEqual([...all(100), ...Array.from({ length: 5000 }, (_, index) => `dense ${index}`)])
    expect(m.vcpu.stats!.exits.io).toBeLessThan(1000)
  })
})

describe('the index of an indexed read', options, () => {
  test('is a lazy write: a pause finds it delivered', async () => {
    using m = machine(assemble(put(0x70, 4, 5), [0xe4, 0x71], SPIN)) // in al, 0x71
    const chosen: number[] = []
    const latch = choose(m.vm, { port: 0x70, data: 0x71, mask: 0x7f }, (_, data) => void chosen.push(data[0]!))
    latch.cell.set(5, 0x55)
    const finished = m.vcpu.start(() => undefined)
    await until(() => m.vcpu.stats!.latched === 1)
    for (let turns = 0; turns < 10; turns++) await turn()
    expect([chosen, m.vcpu.stats!.notified]).toEqual([[], 0])
    await m.vcpu.pause()
    expect([chosen, m.vcpu.getRegs().rax & 0xffn]).toEqual([[4, 5], 0x55n])
    m.vcpu.resume()
    await m.vcpu.stop()
    await finished
  })
})
