import { checkInteger } from '../validate.js'
import { binding } from './binding.js'

/** Names a vCPU of this process; a plain number that can be posted to other worker threads. */
export type KickToken = number & { readonly __kickToken: unique symbol }

/**
 * Makes the vCPU's `run()` return an `interrupted` exit: the one under way, or else the next one. From any thread of
 * the process. Returns false when the vCPU has been closed.
 */
export function kick(token: KickToken): boolean {
  return binding.kick(checkInteger('token', token, 0, Number.MAX_SAFE_INTEGER))
}
