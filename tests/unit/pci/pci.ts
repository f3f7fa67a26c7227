// A PCI bus without a machine, and a driver for it: it knows configuration space and registers, as a guest does.
import { Bus, type InterruptLine, type MachineEffects, SharedInterruptLine } from '../../../lib/bus/index.js'
import { plainMemory } from '../../../lib/memory/plain-memory.js'
import {
  type BarPlace,
  ConfigPorts,
  Ecam,
  type Message,
  PciBus,
  type PciDevice,
  type PciDeviceFactory,
  type PciFunction,
  type PciNode,
} from '../../../lib/pci/index.js'
import { TestClock } from '../devices/access.js'

export const IDENTITY = { vendor: 0x1234, device: 0x5678, class: 0xff_00_00 }
export const ECAM = 0xe000_0000
export const WINDOWS = { ports: { start: 0x2000, end: 0x1_0000 }, memory: { start: 0xe010_0000, end: 0xfec0_0000 } }

const nothing = () => undefined

export interface TestBus {
  bus: PciBus
  ports: Bus
  mmio: Bus
  memory: ReturnType<typeof plainMemory>
  clock: TestClock
  /** The level of each interrupt line. */
  lines: Map<number, boolean>
  /** What was sent, in order. */
  sent: Message[]
  /** Which vectors the host sends by itself. */
  linked: Set<number>
  /** Where doorbells are that need no JavaScript. */
  doorbells: Set<BarPlace>
  /** The next routes are refused with this, once. */
  refuseRoutes(error: Error): void
  /** Anything that functions have done beyond their registers. */
  effects: unknown[]
  add(device: PciDevice | PciDeviceFactory, node?: Partial<PciNode>): PciFunction
}

const EFFECTS: MachineEffects = {
  ...{ powerOff: nothing, reset: nothing, exit: nothing, panic: nothing },
  ...{ suspend: nothing, console: nothing, postCode: nothing, needsReset: nothing },
}

export function pciBus(clock = new TestClock(), told: (effect: unknown) => void = nothing): TestBus {
  const ports = new Bus({ name: 'port', size: 0x1_0000 })
  const mmio = new Bus({ name: 'mmio', size: 2 ** 52 })
  const memory = plainMemory({ at: 0, size: 0x1_0000 })
  const effects: unknown[] = []
  const tell = (...effect: unknown[]) => {
    effects.push(effect)
    told(effect)
  }
  memory.trackWrites((...values) => {
    tell('memory', ...values)
  })
  const lines = new Map<number, boolean>()
  const shared = new Map<number, SharedInterruptLine>()
  const line = (gsi: number): InterruptLine => {
    const set = (level: boolean) => {
      lines.set(gsi, level)
      tell('line', gsi, level)
    }
    const one = shared.get(gsi) ?? new SharedInterruptLine({ set })
    shared.set(gsi, one)
    return one.source()
  }
  const sent: Message[] = []
  const linked = new Set<number>()
  const doorbells = new Set<BarPlace>()
  const refusals: Error[] = []
  const bus = new PciBus({
    ...{ ports, mmio, memory, clock, schedule: clock.schedule, effects: EFFECTS, line, windows: WINDOWS },
    fail: (error) => {
      throw error
    },
    vcpu: nothing,
    gsi: (slot) => 16 + (slot % 4),
    messages: () => {
      const routes = new Map<number, Message>()
      return {
        route: (changes) => {
          const refusal = refusals.pop()
          if (refusal !== undefined) throw refusal
          for (const [vector, message] of changes) routes.set(vector, message)
        },
        trigger: (vector) => {
          sent.push(routes.get(vector)!)
          tell('message', vector)
        },
        connect: (vector) => {
          linked.add(vector)
          return { close: () => void linked.delete(vector) }
        },
      }
    },
    doorbell: (at) => {
      doorbells.add(at)
      return { close: () => void doorbells.delete(at) }
    },
  })
  ports.map(0xcf8, 8, new ConfigPorts(bus, { read: (_, data) => data.fill(0x77), write: nothing }))
  mmio.map(ECAM, 0x10_0000, new Ecam(bus))
  let count = 0
  return {
    ...{ bus, ports, mmio, memory, clock, lines, sent, linked, doorbells, effects },
    refuseRoutes: (error) => void refusals.push(error),
    add: (device, node = {}) =>
      bus.add({ name: `device${count++}`, device: typeof device === 'function' ? device : () => device, ...node }),
  }
}

/** Little-endian accesses of a device, or of addresses. */
export const accesses = (at: {
  read(o: number, d: Uint8Array): unknown
  write(o: number, d: Uint8Array): unknown
}) => ({
  read: (offset: number, width = 4): number => {
    const data = new Uint8Array(width)
    at.read(offset, data)
    return data.reduceRight((value, byte) => value * 0x100 + byte, 0)
  },
  write: (offset: number, value: number, width = 4): void => {
    at.write(
      offset,
      Uint8Array.from({ length: width }, (_, index) => Math.floor(value / 2 ** (8 * index)) % 0x100),
    )
  },
})

/** A function's configuration space by ports, mechanism 1. */
export function byPorts({ ports }: TestBus, slot: number, number = 0, bus = 0, enable = 0x8000_0000) {
  const { read, write } = accesses(ports)
  const select = (offset: number) => {
    write(0xcf8, enable + bus * 0x1_0000 + slot * 0x800 + number * 0x100 + (offset & 0xfc))
    return 0xcfc + (offset & 3)
  }
  return {
    read: (offset: number, width = 4) => read(select(offset), width),
    write: (offset: number, value: number, width = 4) => {
      write(select(offset), value, width)
    },
  }
}

/** A device that reads as what was written, and notes the writes. */
export class Registers16 {
  readonly written: [offset: number, ...bytes: number[]][] = []
  readonly bytes: Uint8Array
  constructor(length = 16) {
    this.bytes = new Uint8Array(length)
  }
  read(offset: number, data: Uint8Array): void {
    data.forEach((_, index) => (data[index] = this.bytes[offset + index] ?? 0))
  }
  write(offset: number, data: Uint8Array): void {
    this.written.push([offset, ...data])
    this.bytes.set(data.subarray(0, Math.max(0, this.bytes.length - offset)), Math.min(offset, this.bytes.length))
  }
}
