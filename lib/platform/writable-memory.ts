/** What a writer of tables needs of guest memory; `GuestMemory` has it. The address is guest physical. */
export interface WritableMemory {
  write(address: number, bytes: Uint8Array): void
}
