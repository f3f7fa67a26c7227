import { hex } from '../../format.js'
import { ImageReader } from '../image-reader.js'

// Fields of the setup header (Linux, Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header"). The offsets are
// the same in the image and in boot_params.
export const SETUP_SECTS = 0x1f1
const SYSSIZE = 0x1f4
export const BOOT_FLAG = 0x1fe
const JUMP = 0x200
const JUMP_LENGTH = 0x201
export const HEADER = 0x202
export const VERSION = 0x206
export const TYPE_OF_LOADER = 0x210
export const LOADFLAGS = 0x211

export const RAMDISK_IMAGE = 0x218
export const RAMDISK_SIZE = 0x21c
export const CMD_LINE_PTR = 0x228
export const INITRD_ADDR_MAX = 0x22c
export const KERNEL_ALIGNMENT = 0x230
const RELOCATABLE_KERNEL = 0x234
const XLOADFLAGS = 0x236
export const CMDLINE_SIZE = 0x238
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c
const PREF_ADDRESS = 0x258
const INIT_SIZE = 0x260

export const BOOT_FLAG_VALUE = 0xaa55
/** "HdrS" */
export const HEADER_MAGIC = 0x5372_6448
const SHORT_JUMP = 0xeb
/** 2.12 brought xloadflags, and with it the 64-bit entry. */
const VERSION_64_BIT = 0x020c
export const LOADED_HIGH = 1 << 0
const XLF_KERNEL_64 = 1 << 0

/** The fields of 2.12 end here. */
export const HEADER_END = 0x268
/** Where boot_params goes on with something else. */
const HEADER_END_MAX = 0x290

const SECTOR = 512
/** An image that says 0 means 4, as the oldest ones did. */
const DEFAULT_SETUP_SECTS = 4
const PARAGRAPH = 16
/** The 64-bit entry point, in the protected-mode kernel. */
export const ENTRY_64 = 0x200

export interface SetupHeader {
  /** 0x020f for 2.15. */
  version: number
  /** The header's own bytes, from `setup_sects` on: what boot_params gets a copy of. */
  bytes: Uint8Array
  /** The protected-mode kernel. */
  kernel: Uint8Array
  initrdAddrMax: number
  /** The longest command line, without its NUL. */
  cmdlineSize: number
  kernelAlignment: number
  relocatable: boolean
  prefAddress: number
  /** Memory that the kernel needs from its load address on, before it reads the memory map. */
  initSize: number
  /** The compressed vmlinux within `kernel`. */
  payload: { offset: number; length: number }
}

/** Reads the header of a bzImage, and refuses one that lies or that has no 64-bit entry point. */
export function parseSetupHeader(image: Uint8Array): SetupHeader {
  const reader = new ImageReader('bzImage', image)
  const bootFlag = reader.uint16('boot_flag', BOOT_FLAG)
  if (bootFlag !== BOOT_FLAG_VALUE) throw reader.fault('boot_flag', BOOT_FLAG, `${hex(bootFlag)} is not 0xaa55`)
  const magic = reader.uint32('header', HEADER)
  if (magic !== HEADER_MAGIC) throw reader.fault('header', HEADER, `${hex(magic)} is not "HdrS"`)
  const version = reader.uint16('version', VERSION)
  if (version < VERSION_64_BIT) {
    const name = `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`
    throw reader.fault('version', VERSION, `boot protocol ${name} has no 64-bit entry; 2.12 or newer is needed`, {
      version,
    })
  }
  const end = headerEnd(reader)
  const setupSize = ((reader.uint8('setup_sects', SETUP_SECTS) || DEFAULT_SETUP_SECTS) + 1) * SECTOR
  if (setupSize < end) throw reader.fault('setup_sects', SETUP_SECTS, `the setup code ends before its header does`)

  const loadflags = reader.uint8('loadflags', LOADFLAGS)
  if ((loadflags & LOADED_HIGH) === 0) throw reader.fault('loadflags', LOADFLAGS, 'LOADED_HIGH is not set: a zImage')
  const xloadflags = reader.uint16('xloadflags', XLOADFLAGS)
  if ((xloadflags & XLF_KERNEL_64) === 0) {
    throw reader.fault('xloadflags', XLOADFLAGS, 'XLF_KERNEL_64 is not set: a 32-bit kernel')
  }

  const kernelSize = reader.uint32('syssize', SYSSIZE) * PARAGRAPH
  if (kernelSize <= ENTRY_64) throw reader.fault('syssize', SYSSIZE, `a kernel of ${kernelSize} bytes has no entry`)
  if (setupSize + kernelSize > reader.length) {
    const problem = `a kernel of ${hex(kernelSize)} bytes after ${hex(setupSize)} of setup, in ${hex(reader.length)} in all`
    throw reader.fault('syssize', SYSSIZE, problem, { kernelSize, setupSize, length: reader.length })
  }
  // Signatures and padding follow what syssize counts; they belong to nobody in the guest.
  const kernel = reader.slice('the kernel', setupSize, kernelSize)
  return {
    version,
    bytes: reader.slice('setup_sects', SETUP_SECTS, end - SETUP_SECTS),
    kernel,
    ...placementFields(reader, kernelSize),
    initrdAddrMax: reader.uint32('initrd_addr_max', INITRD_ADDR_MAX),
    cmdlineSize: reader.uint32('cmdline_size', CMDLINE_SIZE),
    payload: payloadRange(reader, kernelSize),
  }
}

function headerEnd(reader: ImageReader): number {
  const jump = reader.uint8('jump', JUMP)
  if (jump !== SHORT_JUMP) throw reader.fault('jump', JUMP, `${hex(jump)} is no short jump`)
  const end = HEADER + reader.uint8('jump', JUMP_LENGTH)
  if (end < HEADER_END || end > HEADER_END_MAX) {
    const problem = `the header ends at ${hex(end)}; it must end between ${hex(HEADER_END)} and ${hex(HEADER_END_MAX)}`
    throw reader.fault('jump', JUMP_LENGTH, problem, { end })
  }
  return end
}

function placementFields(reader: ImageReader, kernelSize: number) {
  const kernelAlignment = reader.uint32('kernel_alignment', KERNEL_ALIGNMENT)
  const isPowerOfTwo = kernelAlignment > 0 && (kernelAlignment & (kernelAlignment - 1)) === 0
  if (!isPowerOfTwo) {
    throw reader.fault('kernel_alignment', KERNEL_ALIGNMENT, `${hex(kernelAlignment)} is no power of two`)
  }
  const prefAddress = reader.uint64('pref_address', PREF_ADDRESS)
  if (prefAddress % kernelAlignment !== 0) {
    const problem = `${hex(prefAddress)} is no multiple of kernel_alignment, ${hex(kernelAlignment)}`
    throw reader.fault('pref_address', PREF_ADDRESS, problem)
  }
  const initSize = reader.uint32('init_size', INIT_SIZE)
  if (initSize < kernelSize) {
    throw reader.fault(
      'init_size',
      INIT_SIZE,
      `${hex(initSize)} is less than the kernel's own ${hex(kernelSize)} bytes`,
    )
  }
  const relocatable = reader.uint8('relocatable_kernel', RELOCATABLE_KERNEL) !== 0
  return { kernelAlignment, prefAddress, initSize, relocatable }
}

function payloadRange(reader: ImageReader, kernelSize: number): { offset: number; length: number } {
  const offset = reader.uint32('payload_offset', PAYLOAD_OFFSET)
  const length = reader.uint32('payload_length', PAYLOAD_LENGTH)
  if (offset + length > kernelSize) {
    const problem = `${hex(length)} bytes at ${hex(offset)} do not lie in a kernel of ${hex(kernelSize)} bytes`
    throw reader.fault('payload_length', PAYLOAD_LENGTH, problem, { payloadOffset: offset, payloadLength: length })
  }
  return { offset, length }
}

/** Where in the image faults of placing lie. */
export const LOAD_FAULT = { image: 'bzImage', field: 'init_size', offset: INIT_SIZE } as const
export const COMMAND_LINE_FAULT = { image: 'bzImage', field: 'cmdline_size', offset: CMDLINE_SIZE } as const
export const INITRD_FAULT = { image: 'bzImage', field: 'initrd_addr_max', offset: INITRD_ADDR_MAX } as const
export const PAYLOAD_FAULT = { image: 'bzImage', field: 'payload_length', offset: PAYLOAD_LENGTH } as const
