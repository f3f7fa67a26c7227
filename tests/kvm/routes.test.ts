// GSI routes, and message-signalled interrupts.
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, IRET, jumpBack, movAl, outAl, END_OF_INTERRUPT, PROGRAM_PIC, STI } from './guests.js'
import { machine, type Machine } from './machine.js'
import { until } from './threaded.js'

const LOCAL_APIC = 0xfee0_0000
const SPURIOUS = 0xf0 // Intel SDM volume 3, 11.9: bit 8 switches the local APIC on
const VECTOR = 0x40

/** A guest that tells at port 0x10 of each interrupt at the vector, and at 0x11 that it is ready. */
function listening(vector: number, end: readonly number[]): Machine {
  const m = machine(assemble(PROGRAM_PIC, STI, outAl(0x11), HLT, jumpBack(1)), { irqchip: true })
  m.vm.memory.writeUint32(4 * vector, 0x3000)
  m.vm.memory.write(0x3000, assemble(movAl(1), outAl(0x10), end, IRET))
  const lapic = m.vcpu.getLapic()
  lapic.set([0xff, 0x01], SPURIOUS)
  m.vcpu.setLapic(lapic)
  return m
}

/** Starts it; resolves when it is ready. `interrupts` counts. */
async function start(m: Machine): Promise<{ interrupts: number }> {
  const seen = { interrupts: 0 }
  let ready = false
  void m.vcpu.start((exit) => {
    if (exit.reason !== 'io') throw new Error(exit.reason)
    if (exit.port === 0x11) ready = true
    else seen.interrupts++
  })
  await until(() => ready)
  return seen
}

describe('an MSI', () => {
  test('sent directly arrives at its vector', async () => {
    using m = listening(VECTOR, [])
    const seen = await start(m)
    expect(m.vm.signalMsi({ address: LOCAL_APIC, data: VECTOR })).toBe(true)
    await until(() => seen.interrupts === 1)
    await m.vcpu.stop()
  })

  test('to a CPU that is not there is not taken', async () => {
    using m = listening(VECTOR, [])
    const seen = await start(m)
    expect(m.vm.signalMsi({ address: LOCAL_APIC + (9 << 12), data: VECTOR })).toBe(false)
    await m.vcpu.stop()
    expect(seen.interrupts).toBe(0)
  })

  test('by a route: an irqfd raises it', async () => {
    using m = listening(VECTOR, [])
    m.vm.setGsiRouting([{ gsi: 24, type: 'msi', address: LOCAL_APIC, data: VECTOR }])
    const line = m.vm.irqfd(24)
    const seen = await start(m)
    line.trigger()
    await until(() => seen.interrupts === 1)
    await m.vcpu.stop()
  })
})

describe('a route', () => {
  test('to a PIC replaces the default ones: another GSI leads to line 5', async () => {
    using m = listening(0x25, END_OF_INTERRUPT)
    m.vm.setGsiRouting([{ gsi: 17, type: 'irqchip', irqchip: 'pic-master', pin: 5 }])
    const seen = await start(m)
    m.vm.irqLine(5, true) // leads nowhere now
    m.vm.irqLine(5, false)
    m.vm.irqLine(17, true)
    m.vm.irqLine(17, false)
    await until(() => seen.interrupts === 1)
    await m.vcpu.stop()
    expect(seen.interrupts).toBe(1)
  })

  test('may be changed while the guest runs', async () => {
    using m = listening(0x25, END_OF_INTERRUPT)
    const seen = await start(m)
    const line = m.vm.irqfd(17)
    for (let round = 1; round <= 5; round++) {
      m.vm.setGsiRouting([])
      line.trigger() // leads nowhere
      m.vm.setGsiRouting([{ gsi: 17, type: 'irqchip', irqchip: 'pic-master', pin: 5 }])
      const before = seen.interrupts
      m.vm.irqLine(17, true)
      m.vm.irqLine(17, false)
      await until(() => seen.interrupts > before)
    }
    await m.vcpu.stop()
  })
})

test('arguments', () => {
  using m = machine(assemble(HLT), { irqchip: true })
  const set = (routes: unknown) => {
    m.vm.setGsiRouting(routes as never)
  }
  for (const value of NOT_OBJECTS) {
    if (Array.isArray(value)) continue
    expectRefusal(() => set(value), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => set([value]), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => m.vm.signalMsi(value as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  for (const value of NOT_WHOLE_NUMBERS) {
    expectRefusal(() => set([{ gsi: value, type: 'msi', address: 0, data: 0 }]), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => set([{ gsi: 1, type: 'msi', address: value, data: 0 }]), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => m.vm.signalMsi({ address: 0, data: value } as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  for (const route of [
    { gsi: 1, type: 'other' },
    { gsi: 1, type: 'irqchip', irqchip: 'gic', pin: 0 },
    { gsi: 1, type: 'irqchip', irqchip: 'ioapic' },
    { gsi: 1, type: 'msi', address: 0, data: 2 ** 32 },
    { gsi: 1, type: 'msi', address: 0, data: 0, vector: 1 },
  ]) {
    expectRefusal(() => set([route]), 'ERR_KVM_INVALID_ARGUMENT')
  }
  expectRefusal(
    () => set([{ gsi: 1, type: 'irqchip', irqchip: 'pic-master', pin: 99 }]),
    'ERR_KVM_IOCTL',
    /KVM_SET_GSI_ROUTING/,
  )
  set([])
  m.vm.close()
  expectRefusal(() => set([]), 'ERR_KVM_CLOSED')
  expectRefusal(() => m.vm.signalMsi({ address: LOCAL_APIC, data: 1 }), 'ERR_KVM_CLOSED')
})
