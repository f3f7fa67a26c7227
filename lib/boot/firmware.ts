import { hex } from '../format.js'
import { checkBytes, checkOptions } from '../validate.js'
import { FOUR_GIB, PAGE } from './addresses.js'
import { resetVector } from './entry-state.js'
import { imageError } from '../image/image-error.js'
import type { LoadMemory } from '../memory/placed.js'
import { place } from '../memory/placed.js'
import type { BootResult } from './types.js'

/** Up to here, counted from 4 GiB down, there is nothing but firmware: below lie the APICs. */
const MAX_SIZE = 16 * 1024 * 1024
/**
 * What of it also lies right below 1 MiB. A PC shows half of this there, and its chipset's memory control lets the
 * firmware copy the rest; SeaBIOS of 256 KiB needs all of it, and here is no such chipset.
 */
const SHADOW_SIZE = 256 * 1024
const SHADOW_END = 0x10_0000

const fault = { image: 'firmware', field: 'size' }

export interface FirmwareResult extends BootResult {
  /** What the machine is to map as a read-only region, and to fill with `bytes`, before the guest starts. */
  rom: { at: number; bytes: Uint8Array }
}

/**
 * Prepares a firmware image (SeaBIOS, OVMF) that ends at 4 GiB and starts at the reset vector. The shadow below 1 MiB is
 * written to RAM here; the image itself needs a read-only region of its own, which only the machine can map.
 */
export function loadFirmware(memory: LoadMemory, options: { image: Uint8Array }): FirmwareResult {
  checkOptions('options', options, ['image'])
  const bytes = checkBytes('image', options.image)
  if (bytes.length === 0 || bytes.length % PAGE !== 0 || bytes.length > MAX_SIZE) {
    throw imageError(fault, `${bytes.length} bytes; it must be whole pages of 4 KiB, 16 MiB at most`, {
      size: bytes.length,
    })
  }
  const at = FOUR_GIB - bytes.length
  const shadow = bytes.subarray(Math.max(0, bytes.length - SHADOW_SIZE))
  const shadowAt = SHADOW_END - shadow.length
  const hasRam = memory.regions.some((region) => {
    return !region.readonly && region.at <= shadowAt && region.at + region.size >= SHADOW_END
  })
  if (!hasRam) throw imageError(fault, `there is no RAM from ${hex(shadowAt)} to 1 MiB for its shadow`)
  const above = memory.regions.find((region) => region.at < FOUR_GIB && region.at + region.size > at)
  if (above !== undefined) {
    throw imageError(fault, `${hex(bytes.length)} bytes below 4 GiB overlap memory at ${hex(above.at)}`, {
      at: above.at,
    })
  }
  place(memory, 'firmware shadow', shadowAt, shadow)
  const placed = [
    { name: 'firmware shadow', start: shadowAt, size: shadow.length },
    { name: 'firmware', start: at, size: bytes.length },
  ]
  return { entry: resetVector(), placed, rom: { at, bytes } }
}
