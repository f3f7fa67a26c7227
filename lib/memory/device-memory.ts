/**
 * Guest memory as a device reaches it: by guest physical address. The addresses are the guest's, so what lies outside of memory
 * is no exception: reads return undefined, writes false, and nothing has happened. Multi-byte accesses are little-endian.
 *
 * Another vCPU may change what a device reads at any moment: read once, check, use.
 */
export interface DeviceMemory {
  /** A copy of `length` bytes. */
  read(address: number, length: number): Uint8Array | undefined
  /** Writes all of `bytes`, or nothing. */
  write(address: number, bytes: Uint8Array): boolean
  /**
   * The memory itself, without a copy, for use at once: one piece, or several where it lies in several regions. Say `write`
   * where you will write, so that whoever tracks dirty pages knows; it is undefined then for memory that the guest cannot write.
   */
  slices(address: number, length: number, access: 'read' | 'write'): Uint8Array[] | undefined
  /** A naturally aligned load that no later one overtakes: for the index of a ring. Undefined where it is not aligned, too. */
  loadUint16(address: number): number | undefined
  loadUint32(address: number): number | undefined
  /** A naturally aligned store that overtakes no earlier one. */
  storeUint16(address: number, value: number): boolean
  storeUint32(address: number, value: number): boolean
}
