// The owner of a VM's GSI routes.
import { type GsiRoute, type GsiTarget, IOCTL_CHANNEL, Kvm, type Vm } from 'node-kvm'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT } from './guests.js'
import { machine } from './machine.js'

const msi = (data: number): GsiTarget => ({ type: 'msi', address: 0xfee0_0000, data })
const pic = (pin: number) => ({ type: 'irqchip', irqchip: 'pic-master', pin }) as const
const ioapic = (pin: number) => ({ type: 'irqchip', irqchip: 'ioapic', pin }) as const

function withIrqchip() {
  return machine(assemble(HLT), { irqchip: true })
}

/** Where the guest's I/O APIC sees a line, once it is high: KVM's answer, not ours. */
function pinsOf(vm: Vm, gsi: number): number {
  vm.irqLine(gsi, true)
  const { irr } = vm.getIrqchip('ioapic')
  vm.irqLine(gsi, false)
  return irr
}

/** How often KVM was told of routes meanwhile. */
function told(during: () => void): number {
  let count = 0
  const listener = (message: unknown) => {
    if ((message as { ioctl: string }).ioctl === 'KVM_SET_GSI_ROUTING') count++
  }
  subscribe(IOCTL_CHANNEL, listener)
  try {
    during()
  } finally {
    unsubscribe(IOCTL_CHANNEL, listener)
  }
  return count
}

describe('the routes of a VM', () => {
  test('are none at first, and those of the irqchip when there is one', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    expect([...vm.gsiRoutes]).toEqual([])
    vm.createIrqchip()
    expect([...vm.gsiRoutes]).toHaveLength(16 * 2 + 8)
    expect(vm.gsiRoutes.get(9)).toEqual([ioapic(9), { type: 'irqchip', irqchip: 'pic-slave', pin: 1 }])
    expect(vm.gsiRoutes.get(23)).toEqual([ioapic(23)])
    for (const gsi of [0, 2, 15, 23]) expect(pinsOf(vm, gsi)).toBe(1 << gsi)
    expect(vm.gsiRoutes.get(24)).toEqual([])
  })

  test('change one by one: the others stay, in KVM too', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    gsiRoutes.set(5, ioapic(20))
    expect(gsiRoutes.get(5)).toEqual([ioapic(20)])
    expect(pinsOf(m.vm, 5)).toBe(1 << 20)
    expect(pinsOf(m.vm, 6)).toBe(1 << 6)
    gsiRoutes.set(5, ioapic(21), pic(3))
    expect(pinsOf(m.vm, 5)).toBe(1 << 21)
    expect(m.vm.getIrqchip('pic-master').irr & (1 << 3)).toBe(1 << 3)
    gsiRoutes.set(5)
    expect(gsiRoutes.get(5)).toEqual([])
    expect(pinsOf(m.vm, 5)).toBe(0)
  })

  test('change together, in one call', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const before = [...gsiRoutes].length
    const vectors = Array.from({ length: 64 }, () => gsiRoutes.allocate())
    expect(told(() => gsiRoutes.change(vectors.map((gsi) => [gsi, [msi(gsi % 256)]])))).toBe(1)
    expect([...gsiRoutes]).toHaveLength(before + 64)
    expect(told(() => gsiRoutes.free(...vectors))).toBe(1)
    expect([...gsiRoutes]).toHaveLength(before)
  })

  test('that are as they should be cost no call', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    gsiRoutes.set(1024, msi(0x40))
    expect(told(() => gsiRoutes.set(1024, msi(0x40)))).toBe(0)
    expect(told(() => gsiRoutes.set(1024, msi(0x41)))).toBe(1)
    expect(told(() => gsiRoutes.set(1025))).toBe(0)
    // The last word counts.
    const twice: [number, GsiTarget[]][] = [
      [1024, [msi(0x50)]],
      [1024, [msi(0x41)]],
    ]
    gsiRoutes.change(twice)
    expect(gsiRoutes.get(1024)).toEqual([msi(0x41)])
  })

  test('are those of setGsiRouting(), which takes what they list', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const gsi = gsiRoutes.allocate()
    gsiRoutes.set(gsi, msi(0x40))
    const all = [...gsiRoutes]
    const own: GsiRoute[] = [
      { gsi: 7, ...ioapic(18) },
      { gsi: 8, ...ioapic(19) },
      { gsi: 7, ...pic(2) },
    ]
    m.vm.setGsiRouting(own)
    expect(gsiRoutes.get(7)).toEqual([ioapic(18), pic(2)])
    expect(gsiRoutes.get(gsi)).toEqual([])
    expect(pinsOf(m.vm, 9)).toBe(0)
    gsiRoutes.set(9, ioapic(22))
    expect([7, 8, 9].map((line) => pinsOf(m.vm, line))).toEqual([1 << 18, 1 << 19, 1 << 22])
    m.vm.setGsiRouting(all)
    expect([...gsiRoutes]).toEqual(all)
    expect(pinsOf(m.vm, 9)).toBe(1 << 9)
  })

  test('stay when KVM refuses one', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const before = [...gsiRoutes]
    const changes: [number, GsiTarget[]][] = [
      [5, [ioapic(20)]],
      [6, [ioapic(99)]],
    ]
    expectRefusal(() => gsiRoutes.change(changes), 'ERR_KVM_IOCTL', /KVM_SET_GSI_ROUTING/)
    expectRefusal(() => gsiRoutes.set(5, ioapic(20), ioapic(21)), 'ERR_KVM_IOCTL', /one pin of each controller/)
    expectRefusal(() => gsiRoutes.set(4096, msi(1)), 'ERR_KVM_IOCTL', /KVM_SET_GSI_ROUTING/)
    expect([...gsiRoutes]).toEqual(before)
    expect(pinsOf(m.vm, 5)).toBe(1 << 5)
  })

  test('cannot be changed through what was given or got', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const given = { type: 'msi', address: 0xfee0_0000, data: 0x40 } as const
    gsiRoutes.set(1024, given)
    Object.assign(given, { data: 0x41 })
    expect(gsiRoutes.get(1024)).toEqual([msi(0x40)])
    gsiRoutes.get(1024).pop()
    expect(() => Object.assign(gsiRoutes.get(1024)[0] ?? {}, { data: 0x41 })).toThrow(TypeError)
    expect(gsiRoutes.get(1024)).toEqual([msi(0x40)])
  })
})

describe('allocate()', () => {
  test('gives GSIs that nobody has, and gives those again that were freed', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    gsiRoutes.set(1025, msi(0x40))
    const [first, second] = [gsiRoutes.allocate(), gsiRoutes.allocate()]
    expect([first, second]).toEqual([1024, 1026])
    gsiRoutes.set(first, msi(0x41))
    // Whatever becomes of its routes, it is not given to another.
    m.vm.setGsiRouting([])
    expect(gsiRoutes.allocate()).toBe(1025)
    gsiRoutes.set(first, msi(0x41))
    gsiRoutes.free(first)
    expect(gsiRoutes.get(first)).toEqual([])
    expect(gsiRoutes.allocate()).toBe(first)
  })

  test('ends with KVM’s last GSI, which can be used', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const end = m.vm.check('KVM_CAP_IRQ_ROUTING')
    const all = Array.from({ length: end - 1024 }, () => gsiRoutes.allocate())
    expect(all.at(-1)).toBe(end - 1)
    gsiRoutes.set(end - 1, msi(0x40))
    expectRefusal(() => gsiRoutes.allocate(), 'ERR_KVM_NO_RESOURCE', /no GSI is left/)
    gsiRoutes.free(2000)
    expect(gsiRoutes.allocate()).toBe(2000)
  })

  test('what it has not given cannot be freed', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const gsi = gsiRoutes.allocate()
    gsiRoutes.set(gsi, msi(0x40))
    expectRefusal(() => gsiRoutes.free(gsi, 5), 'ERR_KVM_INVALID_ARGUMENT', /allocate/)
    expect(gsiRoutes.get(gsi)).toEqual([msi(0x40)])
    gsiRoutes.free(gsi)
    expectRefusal(() => gsiRoutes.free(gsi), 'ERR_KVM_INVALID_ARGUMENT', /allocate/)
  })

  test('after the VM was closed: a device can still give back, and gets nothing more', () => {
    using m = withIrqchip()
    const { gsiRoutes } = m.vm
    const gsi = gsiRoutes.allocate()
    gsiRoutes.set(gsi, msi(0x40))
    m.vm.close()
    gsiRoutes.free(gsi)
    expectRefusal(() => gsiRoutes.allocate(), 'ERR_KVM_CLOSED')
    expectRefusal(() => gsiRoutes.set(5), 'ERR_KVM_CLOSED')
  })
})

test('arguments', () => {
  using m = withIrqchip()
  const { gsiRoutes } = m.vm
  const before = [...gsiRoutes]
  const refused = (call: () => void) => expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT')
  for (const value of NOT_WHOLE_NUMBERS) {
    refused(() => gsiRoutes.get(value as never))
    refused(() => gsiRoutes.set(value as never, msi(1)))
    refused(() => gsiRoutes.free(value as never))
  }
  for (const value of NOT_OBJECTS) {
    refused(() => gsiRoutes.set(1, value as never))
    if (!Array.isArray(value)) refused(() => gsiRoutes.change(value as never))
    if (!Array.isArray(value)) refused(() => gsiRoutes.change([[1, value as never]]))
    refused(() => gsiRoutes.change([value as never]))
  }
  for (const target of [
    { ...msi(1), pin: 1 },
    { ...ioapic(1), data: 1 },
    { type: 'irqchip', irqchip: 'vgic', pin: 1 },
    { type: 'hv-sint', vcpu: 0 },
    { type: 'xen-evtchn', vcpu: 0, port: -1 },
    { ...msi(1), devid: 2 ** 32 },
    { gsi: 1, ...msi(1) },
  ]) {
    refused(() => gsiRoutes.set(1, target as never))
  }
  expect([...gsiRoutes]).toEqual(before)
})

test('a device id goes with a message, and x86 ignores it', () => {
  using m = withIrqchip()
  m.vm.gsiRoutes.set(1024, { type: 'msi', address: 0xfee0_0000, data: 0x40, devid: 8 })
  expect(m.vm.gsiRoutes.get(1024)).toEqual([{ type: 'msi', address: 0xfee0_0000, data: 0x40, devid: 8 }])
})
