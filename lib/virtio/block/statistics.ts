/** What has been done of one kind. */
export interface BlockCount {
  /** How many have been done, and of how many bytes. */
  operations: number
  bytes: number
  /** How many the disk has failed at. */
  errors: number
}

export type BlockOperation = 'read' | 'write' | 'flush' | 'discard' | 'writeZeroes'

/** What a disk has done for its guest since it was new. */
export type BlockStatistics = Record<BlockOperation, BlockCount> & {
  /** Requests that were wrong: outside of the disk, unknown, or writing to a read-only one. */
  refused: number
  /** Requests that a rate limit has held back. */
  delayed: number
}

export function newStatistics(): Record<BlockOperation, BlockCount> & { refused: number } {
  const none = (): BlockCount => ({ operations: 0, bytes: 0, errors: 0 })
  return { read: none(), write: none(), flush: none(), discard: none(), writeZeroes: none(), refused: 0 }
}
