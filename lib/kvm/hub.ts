import { binding, HubResult, type NativeEventFd, type NativeHub, type NativeVcpuRun } from './binding.js'
import type { Context } from './context.js'
import { openEvent } from './event.js'

/** One vCPU thread, as the hub drives it. */
export interface HubMember {
  /** In which {@link serve} is called. */
  readonly context: Context
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
    const event = openEvent("the wake-up of the vCPUs' threads", () => {
      this.#serve()
    })
    event.unref()
    try {
      this.#native = new binding.Hub(event)
      this.#next = this.#native.server()
    } catch (cause) {
      event.close()
      throw cause
    }
    this.#event = event
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
      const member = this.#members[seat]
      seat = member === undefined ? this.#next(HubResult.asleep) : member.context(this.#serveOne, member, seat)
    }
    if (seat === HubResult.sliceOver) {
      // Timers and sockets first. An immediate would not do: one that is unref'd does not keep the loop from sleeping.
      this.#event.signal()
    } else if (seat === HubResult.lookSoon) {
      this.#lookSoon()
    }
  }

  /** Serves one vCPU for as long as it is the next: entering its context is not done for each exit. Returns the next. */
  readonly #serveOne = (member: HubMember, seat: number): number => {
    let next: number
    do next = this.#next(member.serve() ? seat : HubResult.asleep)
    while (next === seat && this.#members[seat] === member)
    return next
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
