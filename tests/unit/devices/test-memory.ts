import { KvmError } from 'node-kvm'

import type { DmaMemory } from '../../../lib/devices/index.js'

/** Guest memory from address 0, which refuses what lies outside as a VM's does. */
export class TestMemory implements DmaMemory {
  readonly #bytes: Uint8Array

  constructor(size: number) {
    this.#bytes = new Uint8Array(size)
  }

  read(address: number, length: number): Uint8Array {
    this.#check(address, length)
    return this.#bytes.slice(address, address + length)
  }

  write(address: number, bytes: Uint8Array): void {
    this.#check(address, bytes.length)
    this.#bytes.set(bytes, address)
  }

  #check(address: number, length: number): void {
    if (address + length <= this.#bytes.length) return
    throw new KvmError('ERR_KVM_OUTSIDE_MEMORY', `no memory at ${address}`)
  }
}
