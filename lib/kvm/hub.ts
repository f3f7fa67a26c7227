import { binding, HubResult, type NativeEventFd, type NativeHub, type NativeVcpuRun } from './binding.js'

/** One vCPU thread, as the hub drives it. */
export interface HubMember {
  /** Handles what its vCPU has for JavaScript. True when the vCPU can run on at once. */
  serve(): boolean
}

/** Serves the exits of this JavaScript thread's vCPU threads, a bounded slice at a time, in turn. */
class Hub {
  // Signalled by vCPU threads, and by the hub itself when its slice is over.
  readonly #event: NativeEventFd
  readonly #native: NativeHub
  readonly #next: (seat: number) => number
  readonly #members: (HubMember | undefined)[] = []
  #timer: NodeJS.Timeout | undefined
  #references = 0

  constructor() {
    this.#event = new binding.EventFd(() => {
      this.#serve()
    })
    this.#event.unref()
    this.#native = new binding.Hub(this.#event)
    this.#next = this.#native.server()
  }

  /** Starts the vCPU's thread, outside of the guest or in it, and returns its seat. */
  add(member: HubMember, native: NativeVcpuRun, outside: boolean): number {
    const seat = native.start(this.#native, outside)
    this.#members[seat] = member
    return seat
  }

  /** The vCPU runs on, outside of serve(). */
  resume(seat: number): void {
    if (this.#native.answer(seat)) this.#lookSoon()
  }

  remove(seat: number): void {
    this.#native.remove(seat)
    this.#members[seat] = undefined
  }

  /** As long as there is one reference, the process stays alive. */
  ref(): void {
    if (this.#references++ === 0) this.#event.ref()
  }

  unref(): void {
    if (--this.#references === 0) this.#event.unref()
  }

  #serve(): void {
    let seat = this.#native.look()
    while (seat >= 0) {
      const runsOn = this.#members[seat]?.serve() ?? false
      seat = this.#next(runsOn ? seat : HubResult.asleep)
    }
    if (seat === HubResult.sliceOver) {
      // Timers and sockets first. An immediate would not do: one that is unref'd does not keep the loop from sleeping.
      this.#event.signal()
    } else if (seat === HubResult.lookSoon) {
      this.#lookSoon()
    }
  }

  #lookSoon(): void {
    if (this.#timer === undefined) this.#timer = setTimeout(this.#lookAgain, 1).unref()
  }

  readonly #lookAgain = (): void => {
    this.#timer = undefined
    this.#serve()
  }
}

let instance: Hub | undefined

/** The hub of this JavaScript thread. Made when the first vCPU thread is. */
export function hub(): Hub {
  return (instance ??= new Hub())
}
