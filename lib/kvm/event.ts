import { binding, type NativeEventFd } from './binding.js'
import { currentContext } from './context.js'
import { systemFailure } from './fd.js'

/**
 * A new eventfd. `listener` gets the number of signals since it was called last, in the context in which this is called.
 * `what` says what cannot be made when there is none.
 */
export function openEvent(what: string, listener?: (count: number) => void): NativeEventFd {
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
