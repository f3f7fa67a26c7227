import type { DeviceMemory } from '../memory/device-memory.js'

export const DMA_ERROR = 1 << 0
export const DMA_READ = 1 << 1
export const DMA_SKIP = 1 << 2
export const DMA_SELECT = 1 << 3
export const DMA_WRITE = 1 << 4
const KEY_SHIFT = 16

/** What the guest has laid down in its memory: three big-endian members. */
const COMMAND_LENGTH = 16

export interface DmaCommand {
  readonly control: number
  readonly key: number
  readonly length: number
  readonly address: number
}

/** The command at an address, read once: the guest may change it meanwhile. Undefined where there is no memory. */
export function readDmaCommand(memory: DeviceMemory, at: bigint): DmaCommand | undefined {
  const bytes = memory.read(Number(at), COMMAND_LENGTH)
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer)
  const control = view.getUint32(0)
  return {
    control,
    key: control >>> KEY_SHIFT,
    length: view.getUint32(4),
    address: Number(view.getBigUint64(8)),
  }
}

/** Tells the guest how the command went: 0, or the error bit, in its control member. */
export function finishDmaCommand(memory: DeviceMemory, at: bigint, failed: boolean): void {
  memory.write(Number(at), Uint8Array.of(0, 0, 0, failed ? DMA_ERROR : 0))
}
