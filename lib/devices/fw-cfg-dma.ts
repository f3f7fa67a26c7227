import { KvmError } from '../errors.js'

/** Guest memory as fw_cfg's DMA needs it; `vm.memory` fits. An address outside throws `ERR_KVM_OUTSIDE_MEMORY`. */
export interface DmaMemory {
  read(address: number, length: number): Uint8Array
  write(address: number, bytes: Uint8Array): void
}

export const DMA_ERROR = 1 << 0
export const DMA_READ = 1 << 1
export const DMA_SKIP = 1 << 2
export const DMA_SELECT = 1 << 3
export const DMA_WRITE = 1 << 4
const KEY_SHIFT = 16

/** What the guest has laid down in its memory: three big-endian members. */
const COMMAND_LENGTH = 16
const ADDRESS_END = 2n ** 52n

export interface DmaCommand {
  readonly control: number
  readonly key: number
  readonly length: number
  /** Undefined when it is no address that a guest can have. */
  readonly address: number | undefined
}

/** The command at an address, read once: the guest may change it meanwhile. Undefined where there is no memory. */
export function readDmaCommand(memory: DmaMemory, at: bigint): DmaCommand | undefined {
  if (at >= ADDRESS_END) return undefined
  const bytes = attempt(() => memory.read(Number(at), COMMAND_LENGTH).slice())
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer)
  const control = view.getUint32(0)
  const address = view.getBigUint64(8)
  return {
    control,
    key: control >>> KEY_SHIFT,
    length: view.getUint32(4),
    address: address < ADDRESS_END ? Number(address) : undefined,
  }
}

/** Tells the guest how the command went: 0, or the error bit, in its control member. */
export function finishDmaCommand(memory: DmaMemory, at: bigint, failed: boolean): void {
  attempt(() => memory.write(Number(at), Uint8Array.of(0, 0, 0, failed ? DMA_ERROR : 0)))
}

/** What the call returns, or undefined when the guest named memory that it does not have. */
export function attempt<T>(call: () => T): T | undefined {
  try {
    return call()
  } catch (error) {
    if (error instanceof KvmError) return undefined
    throw error
  }
}
