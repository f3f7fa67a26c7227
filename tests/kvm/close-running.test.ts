// close() while guests run on threads of their own: it waits for none of them, and none of them does anything afterwards.
import { type Exit, HostMemory, kick, Kvm, type Vcpu } from 'node-kvm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { assemble, jumpBack } from './guests.js'
import { START } from './machine.js'
import { block, until } from './threaded.js'

const PAGE = 0x1000
const COUNTER = 0x2000

/** inc dword [COUNTER], for ever */
const INC_COUNTER = [0x66, 0xff, 0x06, COUNTER & 0xff, COUNTER >> 8] as const
const counts = assemble(INC_COUNTER, jumpBack(INC_COUNTER.length))

describe('memory that the user keeps', () => {
  let kvm: Kvm
  beforeAll(() => {
    kvm = Kvm.open()
  })
  afterAll(() => {
    kvm.close()
  })

  /** A guest that counts in `memory`, and a look at its counter that survives it. */
  function counting(memory: HostMemory) {
    const vm = kvm.createVm()
    const region = vm.addMemory({ at: 0, memory })
    region.write(START, counts)
    const vcpu = vm.createVcpu(0)
    vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
    vcpu.setRegs({ rip: BigInt(START), rflags: 2n })
    const exits: Exit[] = []
    const finished = vcpu.start((exit) => void exits.push(exit))
    return { vm, vcpu, exits, finished, count: () => vm.memory.readUint32(COUNTER) }
  }

  /** Reads what a VM that has been closed has left, through another one. */
  function peek(memory: HostMemory): number {
    using vm = kvm.createVm()
    return vm.addMemory({ at: 0, memory }).readUint32(COUNTER)
  }

  test.each(['vm', 'vcpu, vm'])('stays as it is after close() of %s', async (order) => {
    using memory = HostMemory.allocate({ size: 4 * PAGE })
    for (let round = 0; round < 20; round++) {
      const { vm, vcpu, exits, finished, count } = counting(memory)
      const before = count()
      await until(() => count() !== before)
      if (order !== 'vm') vcpu.close()
      vm.close()
      const left = peek(memory)
      block(2)
      expect(peek(memory)).toBe(left)
      await finished
      expect(exits).toEqual([])
    }
  })

  test('can be closed at once, as can that of many VMs whose guests no CPU has run yet', async () => {
    const memories = Array.from({ length: 16 }, () => HostMemory.allocate({ size: 4 * PAGE }))
    const guests = memories.map(counting)
    for (const { vm } of guests) vm.close()
    for (const memory of memories) memory.close()
    await Promise.all(guests.map(({ finished }) => finished))
    expect(guests.map(({ exits }) => exits.length)).toEqual(guests.map(() => 0))
  })
})

test('a vCPU whose guest ran when it was closed is gone for kicks and for its VM; its neighbour runs on', async () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  const memory = vm.addMemory({ at: 0, size: 4 * PAGE })
  memory.write(START, counts)
  const start = (id: number): Vcpu => {
    const vcpu = vm.createVcpu(id)
    vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
    vcpu.setRegs({ rip: BigInt(START), rflags: 2n })
    vcpu.start(() => undefined).catch(() => undefined)
    return vcpu
  }
  const [first, second] = [start(0), start(1)]
  const { kickToken } = first
  first.close()
  expect([kick(kickToken), first.closed, second.started, vm.vcpus]).toEqual([false, true, true, [second]])
  const before = memory.readUint32(COUNTER)
  await until(() => memory.readUint32(COUNTER) !== before)
  await second.stop()
  expect(second.stats?.guestTime).toBeGreaterThan(0)
})
