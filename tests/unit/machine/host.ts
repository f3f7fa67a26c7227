// A machine as its devices see it, without KVM.
import { Bus, type Device, type DeviceContext, type MachineEffects } from 'node-kvm'
import type { DeviceHost, DeviceNode } from 'node-kvm/machine'

export interface FakeHost extends DeviceHost {
  /** What devices have said that ends the run. */
  readonly failures: unknown[]
  /** The machine is over. */
  end: () => void
}

const nothing = () => undefined
const EFFECTS: MachineEffects = {
  ...{ powerOff: nothing, reset: nothing, exit: nothing, panic: nothing },
  ...{ suspend: nothing, console: nothing, postCode: nothing, needsReset: nothing },
}
const SERIAL_PORTS = [0x3f8, 0x2f8, 0x3e8, 0x2e8]

export function fakeHost(effects: Partial<MachineEffects> = {}): FakeHost {
  const ports = new Bus({ name: 'port', size: 0x1_0000 })
  const mmio = new Bus({ name: 'mmio', size: 2 ** 52 })
  const devices: Device[] = []
  const failures: unknown[] = []
  const context = (name: string): DeviceContext => ({
    name,
    memory: noMemory,
    interrupt: () => ({ set: nothing }),
    doorbell: () => ({ close: nothing }),
    clock: { now: () => process.hrtime.bigint() },
    schedule: () => nothing,
    effects: { ...EFFECTS, ...effects },
    vcpu: undefined,
    fail: (error) => failures.push(error),
  })
  return {
    ports,
    mmio,
    add({ name, device: given, resources, yields = false }: DeviceNode) {
      const device = typeof given === 'function' ? given(context(name)) : given
      devices.push(device)
      for (const { port, memory, length = 1, offset = 0 } of resources as unknown as Record<string, number>[]) {
        if (port !== undefined) ports.map(port, length, device, { offset, yields })
        if (memory !== undefined) mmio.map(memory, length, device, { offset, yields })
      }
      return device
    },
    serialLine: (number) => ({ resources: [{ port: SERIAL_PORTS[number - 1]!, length: 8 }, { gsi: 4 }] }),
    freeName: (stem) => `${stem}${devices.length}`,
    pci: {
      add: () => {
        throw new Error('this machine has no PCI')
      },
    },
    failures,
    end: () => {
      for (const device of devices.splice(0)) void device.close?.()
    },
  }
}

const noMemory = {} as DeviceContext['memory']

const COM1 = 0x3f8
const LSR = COM1 + 5
const DATA_READY = 1

/** What a guest that reads a byte at a time gets from COM1 until nothing more comes. */
export async function readLine({ ports }: DeviceHost): Promise<string> {
  const read: number[] = []
  const byte = new Uint8Array(1)
  const get = (port: number) => {
    void ports.read(port, byte)
    return byte[0] ?? 0
  }
  for (let idle = 0; idle < 3;) {
    if ((get(LSR) & DATA_READY) !== 0) {
      read.push(get(COM1))
      idle = 0
    } else {
      idle++
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return Buffer.from(read).toString()
}

/** A guest writes to COM1. */
export function writeLine({ ports }: DeviceHost, text: string): void {
  for (const byte of Buffer.from(text)) void ports.write(COM1, Uint8Array.of(byte))
}
