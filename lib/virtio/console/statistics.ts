/** What has gone through a port, in bytes, over all lives of its guest. */
export interface ConsolePortStatistics {
  /** By the guest, and taken by the output. */
  sent: number
  /** By the guest. */
  received: number
  /** Sent by the guest, and taken by nobody. */
  lost: number
}
