// PCI in a machine: a guest finds functions by ports and by memory, uses their registers, and is interrupted.
import { type DeviceNode, flat, Machine, type MachineOptions, pci } from 'node-kvm/machine'
import type { PciContext, PciDevice } from 'node-kvm/pci'
import { describe, expect, test } from 'vitest'

import { expectRejection } from '../thrown.js'
import { assemble, CLI, HLT, inDx, movDx, movEax, outAl, outDx, SPIN } from './guests.js'

const RUN = { timeout: 60_000 }
const ECAM = 0xe000_0000
const FIRST_BAR = 0xe010_0000
const IDENTITY = { vendor: 0x1234, device: 0x5678, class: 0xff_00_00 }
const CODE = assemble(CLI, HLT)

const boot = (image: Uint8Array, mode: 'real' | 'protected' = 'real') => flat({ image, address: 0x8000, mode })
const create = (options: Partial<MachineOptions> = {}) => Machine.create({ memory: '1M', boot: boot(CODE), ...options })

/** A function whose context the test keeps. */
function keeping(device: Partial<PciDevice> = {}) {
  let context: PciContext | undefined
  return {
    node: pci({
      name: 'own',
      device: (given) => {
        context = given
        return { identity: IDENTITY, ...device }
      },
    }),
    get context() {
      return context!
    },
  }
}

/** Configuration space as the guest would reach it by memory. */
function configuration({ mmio }: Machine, slot: number) {
  const at = (offset: number) => ECAM + slot * 0x8000 + offset
  return {
    read: (offset: number, width = 4): number => {
      const data = new Uint8Array(width)
      void mmio.read(at(offset), data)
      return data.reduceRight((value, byte) => value * 0x100 + byte, 0)
    },
    write: (offset: number, value: number, width = 4): void => {
      void mmio.write(at(offset), new Uint8Array(Uint32Array.of(value).buffer, 0, width))
    },
  }
}

describe('a machine', () => {
  test('has no PCI unless it is asked for', async () => {
    using machine = await create()
    expect([...machine.devices.keys()].filter((name) => name.startsWith('pci'))).toEqual(['pci-ports'])
    expect(machine.placed.map(({ name }) => name)).not.toContain('ACPI MCFG')
  })

  test('has a host bridge with pci: true, and functions by name, in its tables', async () => {
    using bare = await create({ pci: true })
    expect(configuration(bare, 0).read(0)).toBe(0x0d57_8086)
    expect([...bare.devices.keys()].slice(-4)).toEqual(['reset-control', 'pci', 'pci-ecam', 'pci/00:00.0'])
    const own = keeping({ pin: true })
    using machine = await create({ devices: [own.node] })
    expect([...machine.devices.keys()].at(-1)).toBe('own')
    const dsdt = machine.placed.find(({ name }) => name === 'ACPI DSDT')!
    const text = Buffer.from(machine.vm.memory.read(dsdt.start, dsdt.size)).toString('latin1')
    for (const name of ['PCI0', '_PRT', '_CRS', 'ECAM']) expect(text).toContain(name)
    expect(machine.placed.map(({ name }) => name)).toContain('ACPI MCFG')
  })

  test('refuses what cannot be there, and says why', async () => {
    const device = () => ({ identity: IDENTITY })
    const two = (slots: number[]) =>
      create({ devices: slots.map((slot, index) => pci({ name: `d${index}`, slot, device })) })
    await expectRejection(two([3, 3]), 'ERR_KVM_BUS_OVERLAP', /d1 cannot be at 00:03.0: d0 is/)
    await expectRejection(two([32]), 'ERR_KVM_INVALID_ARGUMENT', /slot/)
    const twice = [pci({ name: 'own', device }), pci({ name: 'own', device })]
    await expectRejection(create({ devices: twice }), 'ERR_KVM_INVALID_ARGUMENT', /own/)
    const edge: DeviceNode = {
      name: 'edge',
      device: { read: () => undefined, write: () => undefined },
      resources: [{ gsi: 23, trigger: 'edge' }],
    }
    const withPin = pci({ name: 'own', device: () => ({ identity: IDENTITY, pin: true }) })
    await expectRejection(create({ devices: [edge, withPin] }), 'ERR_KVM_LINE_CONFLICT', /own/)
  })
})

describe('a guest', () => {
  test('finds a function by the configuration ports, and uses its ports', async () => {
    const seen: number[] = []
    const device = {
      read: (_: number, data: Uint8Array) => data.fill(0x5a),
      write: (offset: number, data: Uint8Array) => seen.push(offset, ...data),
    }
    const own = keeping({ bars: [{ kind: 'port', length: 16, device }] })
    // Its identity, and BAR 0, which goes into dx without its lowest bit.
    const select = (register: number) => [...movEax(0x8000_0800 + register), ...movDx(0xcf8), ...outDx(4)]
    const readData = [...movDx(0xcfc), ...inDx(4)]
    const image = assemble(
      [...select(0), ...readData],
      // cmp eax, identity; jne to the end
      [0x66, 0x3d, 0x34, 0x12, 0x78, 0x56, 0x75, 40],
      [...select(0x10), ...readData, 0x24, 0xfe, 0x89, 0xc2, 0x83, 0xc2, 3], // and al, 0xfe; mov dx, ax; add dx, 3
      [...outDx(1), ...inDx(1)],
      [0x90, 0x90, 0x90, 0x90],
      [...outAl(0xf4), ...HLT],
      [...outAl(0xf4), ...HLT],
    )
    using machine = await create({ boot: boot(image), devices: [own.node] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 0x5a })
    expect(seen).toEqual([3, 0])
  })

  test('rings a doorbell where it has moved the BAR to, and does not wait', async () => {
    const rung: string[] = []
    const node = pci({
      name: 'own',
      device: ({ doorbell, effects }) => {
        doorbell(0, { offset: 4, length: 1 }, () => {
          rung.push('bell')
          effects.powerOff()
        })
        const write = () => rung.push('write')
        return { identity: IDENTITY, bars: [{ kind: 'port', length: 16, device: { read: () => undefined, write } }] }
      },
    })
    const image = assemble(
      [...movEax(0x8000_0810), ...movDx(0xcf8), ...outDx(4)],
      [...movEax(0x3000), ...movDx(0xcfc), ...outDx(4)],
      [...movDx(0x2004), ...outDx(1), ...movDx(0x3004), ...outDx(1), ...CLI, ...SPIN],
    )
    using machine = await create({ boot: boot(image), devices: [node] })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'power-off' })
    expect([rung, machine.ports.unclaimed.writes]).toEqual([['bell'], 1])
  })

  test('resets by port 0xcf9, and all is as firmware left it', async () => {
    let lives = 0
    const own = keeping({
      reset: () => {
        lives++
      },
      pin: true,
    })
    // A reset in the first life only: port 0x300 says which it is.
    const image = assemble(
      [...movDx(0x300), ...inDx(1), 0x84, 0xc0, 0x75, 6],
      [...movDx(0xcf9), 0xb0, 0x06, ...outDx(1)],
      [...outAl(0xf4), ...HLT],
    )
    using machine = await create({ boot: boot(image), devices: [own.node] })
    const pin = () => machine.vm.getIrqchip('ioapic').irr & (1 << 23)
    const read = (_: number, data: Uint8Array) => {
      data.fill(lives)
      if (lives === 0) own.context.interrupt().set(true)
    }
    machine.ports.map(0x300, 1, { read, write: () => undefined })
    machine.observe({ reset: () => expect(pin()).not.toBe(0) })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit', value: 1 })
    expect(pin()).toBe(0)
  })
})

describe('interrupts', () => {
  test("a line arrives at the I/O APIC, shared with the slot's neighbour eight slots on", async () => {
    const lines = new Map<number, { set(level: boolean): void }>()
    const node = (slot: number) =>
      pci({
        name: `slot ${slot}`,
        slot,
        device: ({ interrupt }) => {
          lines.set(slot, interrupt())
          return { identity: IDENTITY, pin: true }
        },
      })
    using machine = await create({ devices: [node(1), node(9), node(2)] })
    const pins = () => machine.vm.getIrqchip('ioapic').irr & 0xff_0000
    lines.get(1)!.set(true)
    lines.get(9)!.set(true)
    lines.get(1)!.set(false)
    expect(pins()).toBe(1 << 23)
    lines.get(2)!.set(true)
    lines.get(9)!.set(false)
    expect(pins()).toBe(1 << 22)
  })

  test('a message arrives at the local APIC; to anywhere else it is lost', async () => {
    const own = keeping({ vectors: 2 })
    // mov dword [0xfee000f0], 0x1ff: the local APIC is on; then it tells, and halts.
    const enable = [0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0x00, 0x00]
    using machine = await create({
      boot: boot(assemble(enable, CLI, [0xb0, 1], outAl(0x80), HLT), 'protected'),
      devices: [own.node],
    })
    const { read, write } = configuration(machine, 1)
    const table = read(0x10)
    const put = (offset: number, value: number) =>
      void machine.mmio.write(table + offset, new Uint8Array(Uint32Array.of(value).buffer))
    expect(table).toBe(FIRST_BAR)
    let told: () => void = () => undefined
    const ready = new Promise<void>((resolve) => (told = resolve))
    machine.observe({ postCode: () => told() })
    const run = machine.run(RUN)
    await ready
    await machine.pause()
    write(4, 6, 2)
    write(0x42, 0x8000, 2)
    for (const [vector, address] of [
      [0, 0xfee0_0000],
      [1, 0x1000],
    ] as const) {
      put(16 * vector, address)
      put(16 * vector + 8, 0x41 + vector)
      put(16 * vector + 12, 0)
    }
    own.context.vector(0).trigger()
    own.context.vector(1).trigger()
    expect(requested(machine)).toEqual([0x41])
    machine.resume()
    await machine.stop()
    await run
  })
})

/** The vectors that the first vCPU's local APIC has been asked for. */
function requested(machine: Machine): number[] {
  const registers = machine.vm.vcpus[0]!.getLapic()
  const view = new DataView(registers.buffer, registers.byteOffset)
  const isRequested = (vector: number) => (view.getUint32(0x200 + 0x10 * (vector >> 5), true) >>> (vector & 31)) & 1
  return Array.from({ length: 256 }, (_, vector) => vector).filter(isRequested)
}
