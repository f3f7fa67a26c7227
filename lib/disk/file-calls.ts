/** What Node cannot ask of a file, and whoever opens one may bring along. */
export interface FileCalls {
  /**
   * Locks all of the file against whoever else has opened it: `exclusive` against everybody, otherwise against writers. Until the
   * descriptor is closed. False where somebody has a lock that this one excludes.
   */
  lock(fd: number, exclusive: boolean): boolean
  /** Gives that lock back. */
  unlock(fd: number): void
  /**
   * Reads what is in memory already and stops where it would have to wait: returns how many bytes that were, from the first on.
   * `pieces` are at most 1024. Left out, or 0: it is read in the usual way.
   */
  readCached?(fd: number, offset: number, pieces: readonly Uint8Array[]): number
  /** fallocate(2). False where the file cannot do that; what else it fails with is thrown. */
  allocate(fd: number, mode: number, offset: number, length: number): Promise<boolean>
}
