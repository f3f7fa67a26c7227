import type { BootSource, MachineDevice } from '../machine/index.js'
import { openDisk, openTap, virtio } from '../machine/index.js'
import { Block, Net, NetCallback, Rng, type VirtioDevice } from '../virtio/index.js'
import type { GuestOptions } from './run-options.js'
import type { NetOption } from './virtio-options.js'

export type Transport = NonNullable<GuestOptions['virtio']>

/** The virtio devices that the options name. */
export class VirtioDevices implements MachineDevice {
  readonly #options: GuestOptions
  readonly #transport: Transport
  readonly #warn: (text: string) => void
  readonly #devices: VirtioDevice[] = []

  /** `warn` tells the user of what a device's host side fails at. */
  constructor(options: GuestOptions, transport: Transport, warn: (text: string) => void) {
    this.#options = options
    this.#transport = transport
    this.#warn = warn
  }

  /** The same source, which opens the devices' files as well: not before the machine has checked its options. */
  before(source: BootSource): BootSource {
    return {
      ...source,
      prepare: async () => {
        await this.open()
        return source.prepare()
      },
    }
  }

  attach(host: Parameters<MachineDevice['attach']>[0]): void {
    const transport = this.#transport
    for (const device of this.#devices) virtio(device, { transport }).attach(host)
  }

  /** Of a machine that could not be made. */
  async close(): Promise<void> {
    await Promise.all(this.#devices.map(async (device) => device.close?.()))
  }

  /** Opens the devices' files. */
  async open(): Promise<void> {
    const { disk = [], net = [], rng } = this.#options
    for (const { path, id, ...how } of disk) {
      const opened = await openDisk(path, how)
      const onError = ({ operation, error }: { operation: string; error: unknown }) => {
        this.#warn(`${path}: ${operation}: ${messageOf(error)}`)
      }
      this.#devices.push(new Block(opened, { onError, ...(id === undefined ? {} : { id }) }))
    }
    for (const each of net) this.#devices.push(this.#card(each))
    if (rng === true) this.#devices.push(new Rng())
  }

  #card({ tap, vhost, mac }: NetOption): Net {
    const options = mac === undefined ? {} : { mac }
    if (tap === undefined) {
      const card = new Net(new NetCallback(() => undefined), options)
      card.link = false
      return card
    }
    const onLink = (up: boolean, error?: unknown) => {
      this.#warn(`${tap}: link ${up ? 'up' : 'down'}${error === undefined ? '' : `: ${messageOf(error)}`}`)
    }
    return new Net(openTap({ name: tap, vhost }), { ...options, onLink })
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
