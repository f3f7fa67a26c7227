import { Registers } from '../../bus/registers.js'
import { StateReader, type Versioned } from '../../state.js'
import type { Buffers } from '../buffers.js'
import type { VirtioDevice, VirtioHost } from '../virtio-device.js'
import type { Virtqueue } from '../virtqueue.js'
import { ALL_EVENTS, ControlSender, type PortEvent } from './control-sender.js'
import { VIRTIO_CONSOLE_F_MULTIPORT, VIRTIO_CONSOLE_F_SIZE } from './features.js'
import { EVENT, readMessage, writeMessage } from './message.js'
import { checkPorts, type ConsolePortOptions } from './options.js'
import { ConsolePort, PORT_FLAGS, type PortHome } from './port.js'

export interface ConsoleState extends Versioned {
  /** Of each port, what the driver has said of it: it is ready (1), it is open (2). */
  ports: number[]
  /** Of each port, the messages that the driver has yet to be given: a bit for each kind. */
  pending: number[]
}

const QUEUE_SIZE = 128
const CONTROL_QUEUE_SIZE = 32
const STATE_VERSION = 1

/** What a queue is for (virtio 1.2, 5.3.2). */
type Role = { control: 'receive' | 'transmit' } | { port: ConsolePort; direction: 'receive' | 'transmit' }

/** A console (virtio 1.2, 5.3): ports, each of which is a terminal or a plain stream of bytes both ways. */
export class Console implements VirtioDevice {
  readonly id = 3
  readonly features: bigint
  readonly queueSizes: readonly number[]
  readonly config: Registers
  readonly ports: readonly [ConsolePort, ...ConsolePort[]]
  readonly #sender: ControlSender
  #host: VirtioHost | undefined
  #malformed = 0

  /** By default it is one terminal. */
  constructor(ports: readonly ConsolePortOptions[] = [{}]) {
    const made = checkPorts(ports).map((port, index) => new ConsolePort(index, port, this.#home))
    const [first, ...others] = (this.ports = made as [ConsolePort, ...ConsolePort[]])
    // Where there is but a terminal a driver need not be told of it: it is there as soon as the driver is.
    const isPlain = others.length === 0 && first.isConsole && first.name === undefined
    this.features = (isPlain ? 0n : VIRTIO_CONSOLE_F_MULTIPORT) | (first.isConsole ? VIRTIO_CONSOLE_F_SIZE : 0n)
    const control = isPlain ? [] : [CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE]
    this.queueSizes = [QUEUE_SIZE, QUEUE_SIZE, ...control, ...others.flatMap(() => [QUEUE_SIZE, QUEUE_SIZE])]
    this.config = new Registers([
      { name: 'cols', offset: 0, width: 2, read: () => first.size.columns },
      { name: 'rows', offset: 2, width: 2, read: () => first.size.rows },
      { name: 'max_nr_ports', offset: 4, width: 4, read: () => this.ports.length },
    ])
    this.#sender = new ControlSender(this.ports.length, {
      message: (port, event) => this.#message(port, event),
      fail: this.#home.fail,
    })
  }

  /** How many messages of the driver made no sense: too short, of an unknown kind, about a port that there is not. */
  get malformed(): number {
    return this.#malformed
  }

  attach(host: VirtioHost): void {
    this.#host = host
  }

  startQueue(queue: Virtqueue): void {
    const role = this.#roleOf(queue)
    if (role === undefined) return
    if ('port' in role) {
      role.port.startQueue(queue, role.direction)
      if (!this.#hasMessages) this.#openWithoutMessages(role.port)
    } else if (role.control === 'receive') this.#sender.start(queue)
    else {
      queue.serve(({ readable }) => {
        this.#take(readable)
        return 0
      })
    }
  }

  stopQueue(queue: Virtqueue): void {
    const role = this.#roleOf(queue)
    if (role === undefined) return
    if ('port' in role) role.port.stopQueue(role.direction)
    else if (role.control === 'receive') this.#sender.stop()
  }

  reset(): void {
    this.#sender.reset()
    for (const port of this.ports) port.flags = 0
  }

  /** The guest gets back the buffers whose bytes are on their way to an output. */
  pause(): void {
    for (const port of this.ports) port.pause()
  }

  save(): ConsoleState {
    return {
      version: STATE_VERSION,
      ports: this.ports.map(({ flags }) => flags),
      pending: [...this.#sender.pending],
    }
  }

  restore(state: ConsoleState): void {
    const reader = new StateReader(this.#host?.name ?? 'console', state, STATE_VERSION)
    const flags = reader.integers('ports', this.ports.length, PORT_FLAGS, true)
    const pending = reader.integers('pending', this.ports.length, ALL_EVENTS, true)
    this.#sender.pending = pending.map((bits) => bits & ALL_EVENTS)
    for (const port of this.ports) port.flags = flags[port.index] ?? 0
  }

  readonly #home: PortHome = {
    tell: (port, ...events) => {
      if (this.#hasMessages) this.#sender.send(port.index, ...events)
    },
    resized: (port) => {
      if (port === this.ports[0]) this.#host?.configChanged()
    },
    fail: (error) => {
      this.#host?.needsReset(error)
    },
  }

  /** Whether the driver and the device speak about ports. Otherwise there is the first one, and it is open. */
  get #hasMessages(): boolean {
    return ((this.#host?.features ?? 0n) & VIRTIO_CONSOLE_F_MULTIPORT) !== 0n
  }

  #openWithoutMessages(port: ConsolePort): void {
    if (port.isOpen) return
    port.setOpen(true)
    // Linux does not look at the size before it hears that there is another one.
    if (port.size.columns > 0 || port.size.rows > 0) this.#host?.configChanged()
  }

  #roleOf({ index }: Virtqueue): Role | undefined {
    const direction = index % 2 === 0 ? 'receive' : 'transmit'
    if (index < 2) return { port: this.ports[0], direction }
    if (!this.#hasMessages) return undefined
    if (index < 4) return { control: direction }
    const port = this.ports[(index >> 1) - 1]
    return port && { port, direction }
  }

  /** A message of the driver. One that makes no sense does nothing. */
  #take(readable: Buffers): void {
    const message = readMessage(readable)
    if (message?.event === EVENT.DEVICE_READY) {
      if (message.value === 1) for (const { index } of this.ports) this.#sender.send(index, EVENT.PORT_ADD)
      return
    }
    const port = message && this.ports[message.port]
    if (port !== undefined && message?.event === EVENT.PORT_OPEN) port.setOpen(message.value !== 0)
    else if (port === undefined || message?.event !== EVENT.PORT_READY) this.#malformed++
    // Else the driver could not use it.
    else if (message.value === 1) port.ready()
  }

  #message(index: number, event: PortEvent): Uint8Array {
    const { name, size, isConnected } = this.ports[index] as ConsolePort
    const value = event === EVENT.PORT_OPEN ? Number(isConnected) : event === EVENT.CONSOLE_PORT ? 1 : 0
    return writeMessage({ port: index, event, value }, behind(event, name ?? '', size))
  }
}

function behind(event: PortEvent, name: string, { columns, rows }: ConsolePort['size']): Uint8Array {
  if (event === EVENT.PORT_NAME) return Buffer.from(name, 'latin1')
  if (event !== EVENT.RESIZE) return new Uint8Array(0)
  // Not in the specification's order: drivers (Linux, OpenBSD) read the rows first.
  return Uint8Array.of(rows & 0xff, rows >> 8, columns & 0xff, columns >> 8)
}
