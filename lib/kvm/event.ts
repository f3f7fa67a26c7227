import type { HostEvent } from '../bus/host-event.js'
import { KvmError } from '../errors.js'
import { invalidArgument } from '../validate.js'
import { binding, type NativeEventFd } from './binding.js'
import { currentContext } from './context.js'
import { systemFailure } from './fd.js'

/**
 * A new eventfd. `listener` gets the number of signals since it was called last, in the context in which this is called.
 * `what` says what cannot be made when there is none. A listener needs Node's event loop.
 */
export function openEvent(what: string, listener?: (count: number) => void): NativeEventFd {
  if (listener !== undefined) needsEventLoop(what)
  const context = currentContext()
  try {
    return listener === undefined
      ? new binding.EventFd()
      : new binding.EventFd((count) => {
          context(listener, count)
        })
  } catch (cause) {
    throw systemFailure(`${what} cannot be made`, cause)
  }
}

/** An eventfd that parts of the library which know no KVM hand on. It does not keep the process alive. */
export class Eventfd implements HostEvent {
  readonly #native: NativeEventFd

  constructor(what: string, listener?: () => void) {
    this.#native = openEvent(what, listener)
    this.#native.unref()
  }

  /** What the addon knows it by. */
  static native(name: string, event: unknown): NativeEventFd {
    if (typeof event === 'object' && event !== null && #native in event) return event.#native
    throw invalidArgument(name, event, name === 'listener' ? 'a function' : 'an event of this library')
  }

  /** @internal */
  get native(): NativeEventFd {
    return this.#native
  }

  signal(): void {
    this.#native.signal()
  }

  close(): void {
    this.#native.close()
  }
}

/** Throws where there is no event loop that an addon can watch a descriptor with. */
export function needsEventLoop(what: string): void {
  const runtime = otherRuntime()
  if (runtime === undefined) return
  throw new KvmError(
    'ERR_KVM_UNSUPPORTED',
    `${what} cannot be made: it needs the event loop of Node, and this is ${runtime}. Run the program with Node, or do with vcpu.run()`,
    { operands: { runtime } },
  )
}

/** Bun ends the process when an addon watches a descriptor; Deno now and then does not look. */
function otherRuntime(): string | undefined {
  if ('bun' in process.versions) return 'Bun'
  if ('Deno' in globalThis) return 'Deno'
  return undefined
}
