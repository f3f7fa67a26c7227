/**
 * What a guest's disk is made of: bytes with a number. A disk of your own is an object with `size` and `read`.
 *
 * Offsets and lengths are whole sectors of 512 bytes and lie within `size`. What a call does may take time: then it returns a
 * promise. One that throws, or rejects, is an I/O error for the guest. Several calls may be under way at once, in any order; the
 * guest orders what has to be in order. What it reads or writes in one request comes in parts of at most 1 MiB, one after the other.
 */
export interface Disk {
  /** In bytes. It may change; say so to the device: `Block.resized()`. */
  readonly size: number
  /** Fills all of `bytes`, which are the guest's memory, with what is there from `offset` on. */
  read(offset: number, bytes: Uint8Array): unknown
  /** Stores all of `bytes`, which are the guest's memory, and may change meanwhile. A disk without it is read-only. */
  write?(offset: number, bytes: Uint8Array): unknown
  /** What has been written before stays written, even if the host loses its power. Default: it does already. */
  flush?(): unknown
  /** The same as {@link read} and {@link write}, for bytes that lie in several pieces. Default: one call for each piece. */
  readv?(offset: number, pieces: readonly Uint8Array[]): unknown
  writev?(offset: number, pieces: readonly Uint8Array[]): unknown
  /** The guest does not need what is there any more: it may be kept, or read as anything. */
  discard?(offset: number, length: number): unknown
  /** Reads find zeros there from now on. With `unmap` the room may be given back. */
  writeZeroes?(offset: number, length: number, unmap: boolean): unknown
  /**
   * Somebody else may use it until {@link takeBack}: another machine that goes on with it, perhaps. What has been written stays written
   * then. Nothing is under way meanwhile.
   */
  letGo?(): unknown
  /** It is used here again, unchanged. Throws where somebody has it. */
  takeBack?(): unknown
  /** It is not used any more. */
  close?(): unknown
}

export const SECTOR = 512
