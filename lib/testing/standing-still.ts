import type { Machine } from '../machine/index.js'

/** Looks at a machine while it is paused; several may at the same time. It runs on afterwards, unless it was paused before. */
export class StandingStill {
  readonly #machine: Machine
  #looking = 0
  #wasPaused = false

  constructor(machine: Machine) {
    this.#machine = machine
  }

  async during<T>(look: () => T | Promise<T>): Promise<T> {
    if (this.#looking++ === 0) this.#wasPaused = this.#machine.vm.vcpus.every(({ paused }) => paused)
    try {
      await this.#machine.pause()
      return await look()
    } finally {
      if (--this.#looking === 0 && !this.#wasPaused) this.#machine.resume()
    }
  }
}
