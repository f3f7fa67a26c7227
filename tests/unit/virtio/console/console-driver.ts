// What a console driver does, with the driver of mmio-driver.ts: bytes both ways, and messages about ports.
import { Console, type ConsolePortOptions } from '../../../../lib/virtio/index.js'
import { MmioDriver, type MmioDriverOptions, VERSION_1 } from '../mmio-driver.js'

/** Queues: those of the first port, those for messages, and those of the other ports behind them. */
export const receiveQueue = (port: number) => (port === 0 ? 0 : 2 * port + 2)
export const transmitQueue = (port: number) => receiveQueue(port) + 1
const MESSAGES = 2
const ANSWERS = 3

export const READY = 0
export const ADD = 1
export const PORT_READY = 3
export const CONSOLE = 4
export const RESIZE = 5
export const OPEN = 6
export const NAME = 7

export const text = (data: Uint8Array) => Buffer.from(data).toString('latin1')
export const bytes = (data: string) => Uint8Array.from(Buffer.from(data, 'latin1'))
export const turn = () => new Promise((resolve) => setImmediate(resolve))
export async function turns(count = 5): Promise<void> {
  for (; count > 0; count--) await turn()
}

/** A message: the port, what it is about, and its value. */
function messageOf(port: number, event: number, value = 1): Uint8Array {
  const data = new Uint8Array(8)
  const view = new DataView(data.buffer)
  view.setUint32(0, port, true)
  view.setUint16(4, event, true)
  view.setUint16(6, value, true)
  return data
}

export class ConsoleDriver extends MmioDriver {
  /** What the device has said, as text: `1 add 0` for port 1. */
  readonly messages: string[] = []

  /** The driver sends a message. */
  async tell(...message: Parameters<typeof messageOf> | [data: Uint8Array]): Promise<void> {
    const [first, event = 0, value] = message
    const data = typeof first === 'number' ? messageOf(first, event, value) : first
    await this.send(ANSWERS, [{ data }])
  }

  /** Gives the device so many buffers for messages, which arrive in {@link messages}. */
  listen(buffers = 8): void {
    for (let count = 0; count < buffers; count++) {
      void this.send(MESSAGES, [{ room: 64 }]).then(({ written, data }) => {
        this.messages.push(describe(data.subarray(0, written)))
      })
    }
  }

  /** What the device says next. */
  async heard(): Promise<string[]> {
    await turns()
    return this.messages.splice(0)
  }

  /** A program writes to a port. */
  async print(data: string | Uint8Array, port = 0): Promise<void> {
    await this.send(transmitQueue(port), [{ data: typeof data === 'string' ? bytes(data) : data }])
  }

  /** A program reads from a port: what comes into one buffer. */
  async receive(room = 64, port = 0): Promise<string> {
    const { written, data } = await this.send(receiveQueue(port), [{ room }])
    return text(data.subarray(0, written))
  }
}

/** A console with its driver at work. */
export async function consoleDevice(
  ports?: readonly ConsolePortOptions[],
  options: MmioDriverOptions = {},
): Promise<{ console: Console; driver: ConsoleDriver }> {
  const console = new Console(ports)
  const features = VERSION_1 | console.features
  const driver = await new ConsoleDriver(console, { features, queueSize: 16, ...options }).start()
  return { console, driver }
}

const NAMES: Record<number, string> = { 1: 'add', 4: 'console', 5: 'size', 6: 'open', 7: 'name' }

function describe(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const event = view.getUint16(4, true)
  const more =
    event === RESIZE
      ? `${view.getUint16(8, true)} rows ${view.getUint16(10, true)} columns`
      : event === NAME
        ? text(data.subarray(8))
        : view.getUint16(6, true)
  return `${view.getUint32(0, true)} ${NAMES[event] ?? event} ${more}`
}
