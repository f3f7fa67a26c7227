// A machine as its devices see it, without KVM.
import { Bus } from 'node-kvm'
import type { DeviceHost } from 'node-kvm/machine'

export interface FakeHost extends DeviceHost {
  /** What devices have said that ends the run. */
  readonly failures: unknown[]
  /** The life is over. */
  end(): void
}

export function fakeHost(): FakeHost {
  const ports = new Bus({ name: 'port', size: 0x1_0000 })
  const mmio = new Bus({ name: 'mmio', size: 2 ** 52 })
  const callbacks: (() => void)[] = []
  const failures: unknown[] = []
  return {
    ports,
    mmio,
    effects: { powerOff: () => undefined, reset: () => undefined, exit: () => undefined, panic: () => undefined },
    interrupt: () => ({ set: () => undefined }),
    mapPorts: (...mapping) => void ports.map(...mapping),
    mapMmio: (...mapping) => void mmio.map(...mapping),
    consoleOutput: () => undefined,
    onEnd: (callback) => callbacks.push(callback),
    fail: (error) => failures.push(error),
    failures,
    end: () => {
      for (const callback of callbacks.splice(0)) callback()
    },
  }
}

const COM1 = 0x3f8
const LSR = COM1 + 5
const DATA_READY = 1

/** What a guest that reads a byte at a time gets from COM1 until nothing more comes. */
export async function readLine({ ports }: DeviceHost): Promise<string> {
  const read: number[] = []
  const byte = new Uint8Array(1)
  const get = (port: number) => {
    ports.read(port, byte)
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
  for (const byte of Buffer.from(text)) ports.write(COM1, Uint8Array.of(byte))
}
