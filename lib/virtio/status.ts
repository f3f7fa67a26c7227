// The device status field (virtio 1.2, 2.1).
export const ACKNOWLEDGE = 1
export const DRIVER = 2
export const DRIVER_OK = 4
export const FEATURES_OK = 8
export const DEVICE_NEEDS_RESET = 64
export const FAILED = 128

/** What each bit stands on: a driver that sets one has set these before, or sets them with it. */
const STANDS_ON: readonly (readonly [bit: number, before: number])[] = [
  [ACKNOWLEDGE, 0],
  [DRIVER, ACKNOWLEDGE],
  [FEATURES_OK, ACKNOWLEDGE | DRIVER],
  [DRIVER_OK, ACKNOWLEDGE | DRIVER | FEATURES_OK],
  [FAILED, 0],
]
const OF_THE_DRIVER = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED

/** Whether a driver may go from one status to the other without a reset: it only adds bits, in their order. */
export function mayFollow(before: number, after: number): boolean {
  const missing = before & OF_THE_DRIVER & ~after
  const unknown = after & ~(OF_THE_DRIVER | DEVICE_NEEDS_RESET)
  return missing === 0 && unknown === 0 && STANDS_ON.every(([bit, on]) => (after & bit) === 0 || (after & on) === on)
}
