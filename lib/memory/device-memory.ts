/** A stretch of guest physical addresses with memory behind it. */
export interface MemoryRange {
  /** The first address. */
  readonly at: number
  /** In bytes. */
  readonly size: number
  /** Whether it is ROM to the guest, and so to devices. */
  readonly readonly: boolean
}

/**
 * Guest memory as devices, loaders and inspection reach it: by guest physical address. The addresses are the guest's, so what
 * lies outside of memory is no exception: reads return undefined, writes false, and nothing has happened. Read-only memory lies
 * outside for writes; a VM that has been closed has no memory. Multi-byte accesses are little-endian.
 *
 * Another vCPU may change what a device reads at any moment: read once, check, use.
 */
export interface DeviceMemory {
  /** Where memory is, lowest address first. */
  readonly regions: readonly MemoryRange[]
  /** Calls `changed` when {@link regions} have become others, until the function that is returned is called. Left out where they never do. */
  watch?(changed: () => void): () => void
  /**
   * Somebody writes there from now on whom nobody who tracks writes hears, such as the kernel, until the function that is returned is
   * called. Left out where nobody tracks.
   */
  writtenUnseen?(): () => void
  /** A copy of `length` bytes; how many a guest may ask for at once is for the device to bound. */
  read(address: number, length: number): Uint8Array | undefined
  /** Writes all of `bytes`, or nothing. */
  write(address: number, bytes: Uint8Array): boolean
  /** Sets `length` bytes to `value`, or none. */
  fill(address: number, length: number, value: number): boolean
  /**
   * The memory itself, without a copy, for use at once: one piece, or several where it crosses from one region, or one window of
   * 16 MiB, into the next. Say `write` where you will write, so that whoever tracks dirty pages knows.
   */
  slices(address: number, length: number, access: 'read' | 'write'): Uint8Array[] | undefined
  /** A naturally aligned load that no later one overtakes: for the index of a ring. Undefined where it is not aligned, too. */
  loadUint16(address: number): number | undefined
  loadUint32(address: number): number | undefined
  /** A naturally aligned store that overtakes no earlier one. */
  storeUint16(address: number, value: number): boolean
  storeUint32(address: number, value: number): boolean
}
