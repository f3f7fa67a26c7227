import { promised } from '../bus/in-order.js'
import type { Device } from '../bus/device.js'
import { callAllAsync } from './failures.js'

/** The devices of a machine by name, in the order in which they were put in. They stay over all lives of the guest. */
export class Devices {
  readonly #devices = new Map<string, Device>()
  #paused = false
  // Devices that are about to stand still.
  #pausing: Promise<void> | undefined

  add(name: string, device: Device): void {
    this.#devices.set(name, device)
  }

  get byName(): ReadonlyMap<string, Device> {
    return new Map(this.#devices)
  }

  /** All are as they were when they were new; resolves when none has anything left to do. */
  async reset(): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), async (device) => promised(device.reset?.())))
  }

  /** Resolves when all stand still. A {@link resume} that comes first is waited for, and lets them go on. */
  async pause(): Promise<void> {
    this.#paused = true
    this.#pausing ??= this.#pauseAll().finally(() => {
      this.#pausing = undefined
      if (!this.#paused) this.#resumeAll()
    })
    await this.#pausing
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#pausing === undefined) this.#resumeAll()
  }

  /** The machine is a fork now. */
  forked(): void {
    for (const device of this.#devices.values()) device.forked?.()
  }

  /** They stand still, and let others have what only one machine can have. */
  async letGo(): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), async (device) => promised(device.letGo?.())))
  }

  /** And have it again. */
  async takeBack(): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), async (device) => promised(device.takeBack?.())))
  }

  /** The machine is over. What was thrown at once, and all of it when every device is ready. */
  close(): { thrown: unknown[]; settled: Promise<unknown[]> } {
    const devices = [...this.#devices.values()]
    return callAllAsync(devices.map((device) => () => promised(device.close?.())))
  }

  async #pauseAll(): Promise<void> {
    await Promise.all(Array.from(this.#devices.values(), async (device) => promised(device.pause?.())))
  }

  #resumeAll(): void {
    for (const device of this.#devices.values()) device.resume?.()
  }
}
