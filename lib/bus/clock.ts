/** A source of time. `now()` is in nanoseconds and never falls, unless the device's option says wall-clock time. */
export interface Clock {
  now(): bigint
  /**
   * How far it is ahead of the host's monotonic clock, if it goes as that does: then vCPU threads can count on it. It may change
   * while the machine is paused.
   */
  readonly ahead?: bigint
}

/** Calls `call` once after `delay` nanoseconds, or somewhat later; the function returned takes that back. */
export type Schedule = (delay: bigint, call: () => void) => () => void

export const NS_PER_SECOND = 1_000_000_000n
const NS_PER_MS = 1_000_000n
// setTimeout's longest. Who asked for more finds that it is too early and asks again.
const MAX_TIMEOUT_MS = 0x7fff_ffffn

/** The host's monotonic clock. */
export const monotonicClock: Clock = { now: () => process.hrtime.bigint(), ahead: 0n }

/** The host's wall clock: nanoseconds since 1970-01-01 00:00 UTC, with the resolution of a millisecond. */
export const wallClock: Clock = { now: () => BigInt(Date.now()) * NS_PER_MS }

/** The event loop's timers. They do not keep the process alive. */
export const eventLoopSchedule: Schedule = (delay, call) => {
  const whole = delay / NS_PER_MS + 1n
  const timer = setTimeout(call, Number(whole > MAX_TIMEOUT_MS ? MAX_TIMEOUT_MS : whole))
  timer.unref()
  return () => clearTimeout(timer)
}
