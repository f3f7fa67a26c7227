import { imageError } from '../../image/image-error.js'
import { E820_NUMBERS, type E820Entry } from '../../arch/x86/memory-layout.js'
import { CMD_LINE_PTR, RAMDISK_IMAGE, RAMDISK_SIZE, SETUP_SECTS, TYPE_OF_LOADER } from './setup-header.js'

// struct boot_params (Linux, arch/x86/include/uapi/asm/bootparam.h; Documentation/arch/x86/zero-page.rst).
export const BOOT_PARAMS_SIZE = 0x1000
const ACPI_RSDP_ADDR = 0x070
const E820_ENTRIES = 0x1e8
const E820_TABLE = 0x2d0
const E820_ENTRY_SIZE = 20
const E820_MAX_ENTRIES = 128

/** A loader without a number of its own (boot.rst, type_of_loader). */
const LOADER_UNDEFINED = 0xff

export interface BootParams {
  /** The setup header, from `setup_sects` on. */
  header: Uint8Array
  commandLine: number
  initrd: { start: number; size: number } | undefined
  e820: readonly E820Entry[]
  rsdp: number
}

/** The "zero page". Everything that is not set stays zero, as the protocol wants. */
export function buildBootParams({ header, commandLine, initrd, e820, rsdp }: BootParams): Uint8Array {
  const bytes = new Uint8Array(BOOT_PARAMS_SIZE)
  const view = new DataView(bytes.buffer)
  bytes.set(header, SETUP_SECTS)
  view.setUint8(TYPE_OF_LOADER, LOADER_UNDEFINED)
  view.setUint32(CMD_LINE_PTR, commandLine, true)
  view.setUint32(RAMDISK_IMAGE, initrd?.start ?? 0, true)
  view.setUint32(RAMDISK_SIZE, initrd?.size ?? 0, true)
  view.setBigUint64(ACPI_RSDP_ADDR, BigInt(rsdp), true)

  if (e820.length > E820_MAX_ENTRIES) {
    const fault = { image: 'boot_params', field: 'e820_table', offset: E820_TABLE }
    throw imageError(fault, `${e820.length} entries; ${E820_MAX_ENTRIES} fit`)
  }
  view.setUint8(E820_ENTRIES, e820.length)
  for (const [index, { start, size, type }] of e820.entries()) {
    const at = E820_TABLE + index * E820_ENTRY_SIZE
    view.setBigUint64(at, BigInt(start), true)
    view.setBigUint64(at + 8, BigInt(size), true)
    view.setUint32(at + 16, E820_NUMBERS[type], true)
  }
  return bytes
}
