// What a machine is before its guest executes an instruction: where interrupt lines lead, and what firmware would have left.
import type { InterruptLine } from 'node-kvm'
import {
  type BootSource,
  firmware,
  flat,
  Machine,
  type MachineOptions,
  serial,
  type DeviceNode,
} from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRejection } from '../thrown.js'
import { assemble, CLI, HLT, movAl, outAl, STI } from './guests.js'

const ADDRESS = 0x8000
const CODE = assemble(CLI, HLT)
const code = (image = CODE): BootSource => flat({ image, address: ADDRESS, mode: 'real' })
const create = (options: Partial<MachineOptions> = {}) => Machine.create({ memory: '1M', boot: code(), ...options })

const MASTER_INPUTS = [1, 3, 4, 5, 6, 7]
const SLAVE_INPUTS = [8, 9, 10, 11, 12, 13, 14, 15]

describe('interrupt lines', () => {
  test.each([...MASTER_INPUTS, ...SLAVE_INPUTS])(
    'IRQ %i arrives at its 8259, and at that pin of the I/O APIC',
    async (irq) => {
      using machine = await create()
      const { vm } = machine
      vm.irqLine(irq, true)
      const [chip, other] = irq < 8 ? (['pic-master', 'pic-slave'] as const) : (['pic-slave', 'pic-master'] as const)
      expect(vm.getIrqchip(chip).irr & (1 << (irq % 8))).not.toBe(0)
      expect(vm.getIrqchip(other).irr & (1 << (irq % 8)) & ~1).toBe(0)
      expect(vm.getIrqchip('ioapic').irr & ~(1 << 2)).toBe(1 << irq)
    },
  )

  test("the timer's, IRQ 0, arrives at pin 2, and nothing at pin 0; IRQ 2 is no line", async () => {
    using machine = await create()
    const { vm } = machine
    vm.irqLine(2, true)
    vm.irqLine(2, false)
    expect(vm.getIrqchip('pic-master').irr & (1 << 2)).toBe(0)
    vm.irqLine(0, true)
    expect(vm.getIrqchip('ioapic').irr).toBe(1 << 2)
    expect(vm.getIrqchip('pic-master').irr & 1).toBe(1)
  })

  test.each([16, 23])('GSI %i arrives at the I/O APIC alone', async (gsi) => {
    using machine = await create()
    machine.vm.irqLine(gsi, true)
    expect(machine.vm.getIrqchip('ioapic').irr & ~(1 << 2)).toBe(1 << gsi)
  })

  test('two devices share one: it is high while either wants it', async () => {
    const lines: InterruptLine[] = []
    const device = (name: string): DeviceNode => ({
      name,
      device: ({ interrupt }) => {
        lines.push(interrupt())
        return { read: () => undefined, write: () => undefined }
      },
      resources: [{ gsi: 4 }],
    })
    using machine = await create({ devices: [device('one'), device('other')] })
    const [first, second] = lines as [InterruptLine, InterruptLine]
    const pins = () => machine.vm.getIrqchip('ioapic').irr & (1 << 4)
    first.set(true)
    second.set(true)
    first.set(false)
    expect(pins()).toBe(1 << 4)
    second.set(false)
    expect(pins()).toBe(0)
    machine.close()
    first.set(true) // does nothing
  })

  test.each([-1, 24, 1.5])('a device that asks for GSI %d is refused when it is put in', async (gsi) => {
    const device = { read: () => undefined, write: () => undefined }
    const node: DeviceNode = { name: 'asking', device, resources: [{ gsi }] }
    await expectRejection(create({ devices: [node] }), 'ERR_KVM_INVALID_ARGUMENT', /gsi/)
  })
})

describe('what firmware leaves behind', () => {
  test('the timer runs at 18.2 Hz and the 8259s have their vectors: a guest that unmasks it gets its tick', async () => {
    const handler = ADDRESS + 30
    const image = assemble(
      // xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 0x7000; mov word [0x20], handler; mov word [0x22], 0
      [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70],
      [0xc7, 0x06, 0x20, 0x00, handler & 0xff, handler >> 8, 0xc7, 0x06, 0x22, 0x00, 0x00, 0x00],
      [...movAl(0xfe), ...outAl(0x21)],
      [...STI, ...HLT, ...HLT, ...HLT, ...HLT],
      [...movAl(8), ...outAl(0xf4)],
    )
    expect(image.length).toBe(handler - ADDRESS + 4)
    using machine = await create({ boot: code(image) })
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit', value: 8 })
    expect(machine.vm.getPit2().channels[0]).toMatchObject({ mode: 3, count: 0x1_0000 })
  })

  test('all inputs of the 8259s are masked, and the SCI is level-triggered', async () => {
    using machine = await create()
    const { vm } = machine
    expect(vm.getIrqchip('pic-master')).toMatchObject({ irq_base: 0x08, imr: 0xff, init_state: 0 })
    expect(vm.getIrqchip('pic-slave')).toMatchObject({ irq_base: 0x70, imr: 0xff, init_state: 0, elcr: 1 << 1 })
  })

  test('the BIOS data area: EBDA, base memory, and the serial lines that are there', async () => {
    using machine = await create({ devices: [serial({ line: 2 }), serial({ line: 3 })] })
    const { memory } = machine.vm
    expect([0, 2, 4, 6].map((at) => memory.readUint16(0x400 + at))).toEqual([0x2f8, 0x3e8, 0, 0])
    expect(memory.readUint16(0x40e)).toBe(0x9fc0)
    expect(memory.readUint16(0x410)).toBe((2 << 9) | 2)
    expect(memory.readUint16(0x413)).toBe(639)
    expect(memory.readUint8(0x9fc00)).toBe(1)
    expect(machine.placed[0]).toEqual({ name: 'BIOS data area', start: 0x400, size: 0x100 })
  })

  test('an image that wants the place of the BIOS data area has it', async () => {
    using machine = await create({ boot: flat({ image: CODE, address: 0x4fe, mode: 'real' }) })
    expect([...machine.vm.memory.read(0x40e, 2)]).toEqual([0, 0])
    expect([...machine.vm.memory.read(0x4fe, 2)]).toEqual([...CODE])
  })

  test("the processor has its host's name", async () => {
    using machine = await create()
    const leaves = machine.vm.vcpus[0]!.getCpuid2()
    const name = [2, 3, 4].flatMap((leaf) => {
      const entry = leaves.find((each) => each.function === 0x8000_0000 + leaf)!
      return [entry.eax, entry.ebx, entry.ecx, entry.edx]
    })
    expect(Buffer.from(Uint32Array.from(name).buffer).toString('latin1')).toMatch(/^\w[^\0]+\0+$/)
  })

  test('nothing of it where firmware starts', async () => {
    using machine = await create({ boot: firmware({ image: new Uint8Array(0x1_0000).fill(0xf4) }) })
    const { vm } = machine
    expect(vm.getPit2().channels[0]?.mode).not.toBe(3)
    expect(vm.getIrqchip('pic-master')).toMatchObject({ irq_base: 0 })
    expect(vm.memory.readUint16(0x40e)).toBe(0)
  })
})
