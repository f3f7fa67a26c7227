import type { Vcpu } from '../kvm/vcpu.js'
import type { Vm } from '../kvm/vm.js'
import type { Board } from './architecture.js'
import type { Devices } from './devices.js'
import type { VirtualClock } from './virtual-clock.js'

/** What is paused. */
interface Paused {
  readonly vm: Vm
  readonly vcpus: readonly Vcpu[]
  readonly board: Board
  readonly devices: Devices
}

/** How a machine is paused: first its vCPUs, then the guest's time, then the devices; and back. */
export class Pauses {
  readonly #hardware: Paused
  readonly #clock: VirtualClock
  readonly #clockStops: boolean
  #wanted = false
  // While the guest's time stands still: what lets it go on.
  #startTime: (() => void) | undefined
  // Of a machine that was restored and has not begun to run: the same.
  #begin: (() => void) | undefined

  constructor(hardware: Paused, clock: VirtualClock, clockStops: boolean) {
    this.#hardware = hardware
    this.#clock = clock
    this.#clockStops = clockStops
  }

  /** Whether it is, or is about to be. */
  get wanted(): boolean {
    return this.#wanted
  }

  /** Resolves when every vCPU is out of the guest, where it stays until {@link resume}, and every device stands still. */
  async pause(): Promise<void> {
    this.#wanted = true
    const { vm, devices } = this.#hardware
    await vm.pause()
    // A resume() can have come first.
    if (!this.#isWanted()) return
    this.#clock.pause()
    this.#stopTime()
    await devices.pause()
  }

  resume(): void {
    this.#wanted = false
    if (this.#begin !== undefined) return
    const { vm, devices } = this.#hardware
    const startTime = this.#startTime
    this.#startTime = undefined
    if (this.#allPaused) startTime?.()
    this.#clock.start()
    this.#clock.resume()
    devices.resume()
    vm.resume()
  }

  /**
   * Lets `restore` give the hardware a saved state while it stands still, whose time goes on when the run begins, or when a machine
   * that is paused is resumed.
   */
  async hold(restore: () => () => void): Promise<void> {
    this.#clock.pause()
    await this.#hardware.devices.pause()
    const start = restore()
    if (this.#hardware.vcpus.some(({ started }) => started)) this.#startTime = start
    else this.#begin = start
  }

  /** The run begins. */
  begin(): void {
    const begin = this.#begin
    if (begin === undefined) return
    this.#begin = undefined
    begin()
    this.#clock.resume()
    this.#hardware.devices.resume()
  }

  /**
   * Does something while every vCPU is out of the guest: takes them out for a moment, unless they are. Returns what `action` does;
   * undefined when a pause came first, for those that run.
   */
  async outside<T>(action: () => T): Promise<T | undefined> {
    const { vm, vcpus } = this.#hardware
    if (vcpus.every(({ started, paused }) => !started || paused)) return action()
    await vm.pause()
    if (vm.closed) return undefined
    try {
      return action()
    } finally {
      if (!this.#isWanted()) vm.resume()
    }
  }

  /** Who has not begun, or has ended, has no time to stop. */
  #stopTime(): void {
    const { board } = this.#hardware
    if (this.#startTime !== undefined || !this.#allPaused) return
    if (!this.#clockStops) {
      this.#startTime = () => {
        board.tellOfPause()
      }
      return
    }
    const start = board.stopTime(this.#clock)
    this.#startTime = () => {
      start()
      board.tellOfPause()
    }
  }

  // A wait can change it behind the compiler's back.
  #isWanted(): boolean {
    return this.#wanted
  }

  get #allPaused(): boolean {
    return this.#hardware.vcpus.every(({ paused }) => paused)
  }
}
