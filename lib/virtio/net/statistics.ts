/** What has gone through a network card, over all lives of its guest. */
export interface NetStatistics {
  /** By the guest, and taken by the back end. */
  sentFrames: number
  sentBytes: number
  /** By the guest. */
  receivedFrames: number
  receivedBytes: number
  /** Of those that the guest sent: too short, too long, or with a header that makes no sense or asks for what was not agreed. */
  malformed: number
  /** From an address that is not the guest's. */
  spoofed: number
  /** Sent while the link was down. */
  sentDown: number
  /** Of those for the guest: too large for its buffers, or with work left undone that its driver does not do. */
  unfit: number
  /** Which no driver waited for, or which came while the link was down. */
  unwanted: number
  /** For other stations, or of kinds that the driver does not want. */
  filtered: number
}

export function noStatistics(): NetStatistics {
  return {
    ...{ sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0 },
    ...{ malformed: 0, spoofed: 0, sentDown: 0, unfit: 0, unwanted: 0, filtered: 0 },
  }
}
