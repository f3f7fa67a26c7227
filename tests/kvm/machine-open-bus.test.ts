// Ports where a machine has nothing, and kernels look for something: read without JavaScript, until a device comes there.
import type { Device } from 'node-kvm'
import { Serial } from 'node-kvm/devices'
import { type DeviceHost, flat, Machine, type MachineDevice, serial, type DeviceNode } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, CLEAR_EAX, decCxJnzBack, HLT, inDx, movAl, movCx, movDx, outAl, outDx } from './guests.js'

const LINES = [0x3f8, 0x2f8, 0x3e8, 0x2e8]
const PCI = 0xcf8
/** Of the device that hears from the guest. */
const TELL = 0x1234
/** More than the kernel leaves to exits when a guest writes without pause. */
const WRITES = 2000
const LSR = 5
const EMPTY = 0x60

type Code = readonly number[]
const read = (port: number, width: 1 | 2 | 4 = 1): Code => [...movDx(port), ...inDx(width)]
const write = (port: number, value: number): Code => [...movDx(port), ...movAl(value), ...outDx(1)]
/** Tells what AL is. */
const tell: Code = [...movDx(TELL), ...outDx(1)]
const constant = (value: number): Device => ({ read: (_offset, data) => data.fill(value), write: () => undefined })

/** A machine that has heard `told` from its guest when it runs to its end, and may do something each time. */
async function run(guest: Code[], devices: MachineDevice[], heard: (machine: Machine, count: number) => void) {
  const told: number[] = []
  const listener: DeviceNode = {
    name: 'listener',
    device: {
      read: () => undefined,
      write: (_offset, data) => {
        told.push(data[0]!)
        heard(machine, told.length)
      },
    },
    resources: [{ port: TELL, length: 1 }],
  }
  const image = assemble(...guest, outAl(0xf4), HLT)
  using machine = await Machine.create({
    boot: flat({ image, address: 0x8000, mode: 'real' }),
    devices: [listener, ...devices],
  })
  const outcome = await machine.run({ timeout: 60_000 })
  return { told, outcome, ports: machine.ports, stats: machine.vm.vcpus[0]!.stats! }
}
const nothing = () => undefined

describe('where nothing is', () => {
  test.each([...LINES, PCI + 4])(
    'at port %i, ones are read at each width, and nothing reaches JavaScript',
    async (port) => {
      const end = port < PCI ? port + 8 : port + 4
      const guest = ([1, 2, 4] as const).flatMap((width) =>
        [port, port + 1, end - width].filter((at) => at + width <= end).map((at) => read(at, width)),
      )
      const { outcome, stats, ports } = await run([...guest, write(port, 1), read(port)], [], nothing)
      expect(outcome).toMatchObject({ kind: 'exit', value: 0xff })
      expect(stats).toMatchObject({ latched: guest.length + 1, posted: 1 })
      expect(ports.unclaimed).toEqual({ reads: 0, writes: 0 })
    },
  )

  test("PCI's address register reads as ones, whatever was written there", async () => {
    const { outcome } = await run([[...movDx(PCI), ...CLEAR_EAX, ...outDx(4), ...inDx(4)]], [], nothing)
    expect(outcome).toMatchObject({ kind: 'exit', value: 0xff })
  })

  test('an access that reaches beyond is split there', async () => {
    const { outcome, ports } = await run([read(0x2fe, 4)], [], nothing)
    expect(outcome).toMatchObject({ kind: 'exit', value: 0xff })
    expect(ports.unclaimed).toMatchObject({ reads: 1, last: { address: 0x2fe, length: 4 } })
  })
})

describe('a device takes the place', () => {
  const onHearing = (count: number, act: (machine: Machine) => void) => (machine: Machine, heard: number) => {
    if (heard === count) act(machine)
  }

  test.each([...LINES, PCI])('of port %i, while the guest runs: the next read is its', async (port) => {
    const asked = [...read(port + 4), ...tell]
    const { told, stats, ports } = await run(
      [asked, asked, asked, asked, read(port), tell],
      [],
      onHearing(2, (machine) => machine.ports.map(port + 4, 1, constant(7))),
    )
    expect(told).toEqual([0xff, 0xff, 7, 7, 0xff])
    expect(stats.latched).toBe(2)
    // The mapping gave way as a whole.
    expect(ports.unclaimed).toMatchObject({ reads: 1, last: { address: port } })
    expect(ports.mappings.find(({ start }) => start === port + 4)).toMatchObject({ length: 1, yields: false })
  })

  test('and gets the next write, none of those before', async () => {
    const written: number[] = []
    const device = { ...constant(0), write: (offset: number, data: Uint8Array) => written.push(offset, ...data) }
    const many = [...movCx(WRITES), ...movDx(0x2f8), ...outDx(1), ...decCxJnzBack(1)]
    const { stats } = await run(
      [movAl(1), many, tell, write(0x2fa, 2)],
      [],
      onHearing(1, (machine) => machine.ports.map(0x2f8, 8, device)),
    )
    expect(written).toEqual([2, 2])
    expect(stats.posted).toBe(WRITES)
  })

  test('and its own fast paths answer', async () => {
    let host: DeviceHost | undefined
    const asked = [...read(0x2f8 + LSR), ...tell]
    const { told, stats } = await run(
      [asked, asked, asked],
      [{ attach: (given) => (host = given) }],
      onHearing(1, () => host?.add({ name: 'late', device: new Serial(), resources: [{ port: 0x2f8, length: 8 }] })),
    )
    expect(told).toEqual([0xff, EMPTY, EMPTY])
    expect(stats.latched).toBe(3)
  })

  test.each([1, 2, 3, 4])('a serial line, before the guest runs: COM%i', async (line) => {
    const { told } = await run(
      LINES.map((port) => [...read(port + LSR), ...tell]),
      [serial({ line })],
      nothing,
    )
    expect(told).toEqual(LINES.map((_, index) => (index === line - 1 ? EMPTY : 0xff)))
  })
})

test('RAM is no place for a device, and what would have given way to it stays', async () => {
  const boot = flat({ image: assemble(HLT), address: 0x8000, mode: 'real' })
  using machine = await Machine.create({ memory: '1M', boot })
  const background = machine.mmio.map(0x10_0000, 0x1000, constant(1), { yields: true })
  expectRefusal(() => machine.mmio.map(0xf_f000, 0x2000, constant(2)), 'ERR_KVM_MEMORY_OVERLAP')
  expect(machine.mmio.mappings).toEqual([background])
  const mapping = machine.mmio.map(0x10_0800, 4, constant(2))
  expect(machine.mmio.mappings).toEqual([mapping])
})
