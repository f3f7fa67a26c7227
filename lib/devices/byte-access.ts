import type { Device } from '../bus/device.js'

const ONES = 0xff

/**
 * A device all of whose registers are a byte wide. The processor's wider access becomes one access for each byte, lowest
 * address first, as on the ISA bus.
 */
export abstract class ByteDevice implements Device {
  read(offset: number, data: Uint8Array): void {
    for (let index = 0; index < data.length; index++) data[index] = this.readByte(offset + index)
  }

  write(offset: number, data: Uint8Array): void {
    for (let index = 0; index < data.length; index++) this.writeByte(offset + index, data[index] ?? ONES)
  }

  protected abstract readByte(offset: number): number
  protected abstract writeByte(offset: number, value: number): void
}

/** The little-endian number in at most the first four bytes. */
export function littleEndian(data: Uint8Array): number {
  let value = 0
  for (let index = Math.min(data.length, 4) - 1; index >= 0; index--) value = value * 0x100 + (data[index] ?? 0)
  return value
}
