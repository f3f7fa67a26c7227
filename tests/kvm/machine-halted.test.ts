// A guest that nothing can wake any more is found without a time limit; one that is idle is left alone.
import { setTimeout as sleep } from 'node:timers/promises'

import { describeOutcome, flat, Machine, type MachineOptions } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRejection } from '../thrown.js'
import { assemble, CLI, HLT, movDx, outAl, outDx, STI } from './guests.js'

const create = (parts: (readonly number[])[], options: Partial<MachineOptions> = {}) =>
  Machine.create({ memory: '1M', boot: flat({ image: assemble(...parts), address: 0x8000, mode: 'real' }), ...options })

const IDLE = [...STI, ...HLT, 0xeb, 0xfd]

describe('a guest that has halted with interrupts off', () => {
  test.each([1, 3])('ends the run, of %i vCPUs that no other can start', async (cpus) => {
    using machine = await create([CLI, HLT], { cpus })
    const outcome = await machine.run({ timeout: 60_000 })
    expect(outcome).toMatchObject({ kind: 'halted', at: { vcpu: 0, rip: 0x8002n } })
    expect(describeOutcome(outcome)).toBe('the guest has halted for good, with interrupts off (vCPU 0 at 0x8002)')
    const { vcpus, controllers } = await machine.postMortem()
    expect(vcpus[0]).toMatchObject({
      mpState: 'halted',
      interrupts: { enabled: false, pending: [], localApic: { enabled: false } },
    })
    expect(controllers).toMatchObject({ master: { vectors: '0x8', masked: '0xff' } })
  })

  test('is not found while the machine is paused, and is afterwards', async () => {
    using machine = await create([CLI, HLT])
    let ended = false
    const running = machine.run({ timeout: 60_000 }).finally(() => (ended = true))
    await sleep(100)
    await machine.pause()
    await sleep(1500)
    expect(ended).toBe(false)
    machine.resume()
    expect(await running).toMatchObject({ kind: 'halted' })
  })

  test('is left alone where an NMI can still come', async () => {
    using machine = await create([CLI, HLT])
    const redirtbl = machine.vm.getIrqchip('ioapic').redirtbl
    redirtbl[5] = 0x4_00n // pin 5: NMI, not masked
    machine.vm.setIrqchip('ioapic', { redirtbl })
    expect(await machine.run({ timeout: 2500 })).toMatchObject({ kind: 'timeout' })
  })
})

test('a guest that waits for interrupts is left alone', async () => {
  using machine = await create([IDLE])
  expect(await machine.run({ timeout: 4000 })).toMatchObject({ kind: 'timeout' })
})

describe('with strict', () => {
  test('a write to a port that nothing answers ends the run, with the place', async () => {
    using machine = await create([outAl(0x99), HLT], { strict: true })
    const error = await expectRejection(
      machine.run({ timeout: 60_000 }),
      'ERR_KVM_UNCLAIMED_ACCESS',
      /the write of 1 bytes at port 0x99 \(vCPU 0 at 0x8002\)/,
    )
    expect(error.operands).toMatchObject({
      bus: 'port',
      address: 0x99,
      length: 1,
      isWrite: true,
      vcpu: 0,
      rip: 0x8002n,
    })
  })

  test('a read of an address that nothing answers does, too', async () => {
    // mov ax, 0xffff; mov ds, ax; mov al, [0x100]: 0x1000f0, above the RAM of 1 MiB
    using machine = await create([[0xb8, 0xff, 0xff, 0x8e, 0xd8, 0xa0, 0x00, 0x01], HLT], { strict: true })
    await expectRejection(
      machine.run({ timeout: 60_000 }),
      'ERR_KVM_UNCLAIMED_ACCESS',
      /read of 1 bytes at mmio 0x1000f0/,
    )
  })

  test('what a machine has itself is answered', async () => {
    const probe = [...movDx(0xcf8), ...outDx(4), ...movDx(0x3f8), ...outDx(1), ...outAl(0x80)]
    using machine = await create([probe, [0xb0, 0], outAl(0xf4)], { strict: true })
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit' })
  })

  test.each(['yes', 1, 0])('%j is refused', async (strict) => {
    await expectRejection(create([HLT], { strict: strict as never }), 'ERR_KVM_INVALID_ARGUMENT', /strict/)
  })
})
