import { hex } from '../../format.js'
import { ImageReader } from '../../image/image-reader.js'

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
export const CODE32_START = 0x214
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
export const LOADED_HIGH = 1 << 0
const XLF_KERNEL_64 = 1 << 0

// What each version of the protocol brought, and what holds for kernels before it (boot.rst, each field's own paragraph).
const VERSION_INITRD_ADDR_MAX = 0x0203
const VERSION_SYSSIZE = 0x0204
const VERSION_RELOCATABLE = 0x0205
const VERSION_CMDLINE_SIZE = 0x0206
const VERSION_PAYLOAD = 0x0208
const VERSION_PREF_ADDRESS = 0x020a
const VERSION_XLOADFLAGS = 0x020c
const OLD_CMDLINE_SIZE = 255
const OLD_LOAD_ADDRESS = 0x10_0000
/** A kernel that does not say how much memory it needs to unpack itself: what GRUB gives it. */
const OLD_INIT_FACTOR = 3

/** The fields of 2.03 end here, and those of 2.12. */
const HEADER_END_MIN = 0x230
export const HEADER_END = 0x268
/** Where boot_params goes on with something else. */
const HEADER_END_MAX = 0x290

const SECTOR = 512
/** An image that says 0 means 4, as the oldest ones did. */
const DEFAULT_SETUP_SECTS = 4
const PARAGRAPH = 16
/** The 64-bit entry point, in the protected-mode kernel; the 32-bit one is its first byte. */
export const ENTRY_64 = 0x200

export interface SetupHeader {
  /** 0x020f for 2.15. */
  version: number
  /** The header's own bytes, from `setup_sects` on: what boot_params gets a copy of. */
  bytes: Uint8Array
  /** The protected-mode kernel. */
  kernel: Uint8Array
  /** Where it is entered: a kernel with a 64-bit entry there, an older one or one for i386 by the 32-bit protocol. */
  bits: 32 | 64
  initrdAddrMax: number
  /** The longest command line, without its NUL. */
  cmdlineSize: number
  kernelAlignment: number
  relocatable: boolean
  prefAddress: number
  /** Memory that the kernel needs from its load address on, before it reads the memory map. */
  initSize: number
}

/** Reads the header of a bzImage, and refuses one that lies. What an old version does not have gets what held then. */
export function parseSetupHeader(image: Uint8Array): SetupHeader {
  const reader = new ImageReader('bzImage', image)
  const bootFlag = reader.uint16('boot_flag', BOOT_FLAG)
  if (bootFlag !== BOOT_FLAG_VALUE) throw reader.fault('boot_flag', BOOT_FLAG, `${hex(bootFlag)} is not 0xaa55`)
  const magic = reader.uint32('header', HEADER)
  if (magic !== HEADER_MAGIC) throw reader.fault('header', HEADER, `${hex(magic)} is not "HdrS"`)
  const version = reader.uint16('version', VERSION)
  if (version < VERSION_INITRD_ADDR_MAX) {
    const name = `${version >> 8}.${String(version & 0xff).padStart(2, '0')}`
    const problem = `boot protocol ${name} starts in real mode, with a BIOS; 2.03 or newer is needed`
    throw reader.fault('version', VERSION, problem, { version })
  }
  const loadflags = reader.uint8('loadflags', LOADFLAGS)
  if ((loadflags & LOADED_HIGH) === 0) throw reader.fault('loadflags', LOADFLAGS, 'LOADED_HIGH is not set: a zImage')
  const xloadflags = version >= VERSION_XLOADFLAGS ? reader.uint16('xloadflags', XLOADFLAGS) : 0
  const bits = (xloadflags & XLF_KERNEL_64) === 0 ? 32 : 64
  const kernel = protectedModeKernel(reader, version, bits)
  return {
    version,
    bytes: reader.slice('setup_sects', SETUP_SECTS, headerEnd(reader) - SETUP_SECTS),
    kernel,
    bits,
    ...placementFields(reader, version, kernel.length),
    initrdAddrMax: reader.uint32('initrd_addr_max', INITRD_ADDR_MAX),
    cmdlineSize: version >= VERSION_CMDLINE_SIZE ? reader.uint32('cmdline_size', CMDLINE_SIZE) : OLD_CMDLINE_SIZE,
  }
}

/**
 * Signatures and padding follow what syssize counts; they belong to nobody in the guest. Before 2.04 it had 16 bits and "cannot
 * be trusted": the kernel is then all that follows.
 */
function protectedModeKernel(reader: ImageReader, version: number, bits: 32 | 64): Uint8Array {
  const setupSize = ((reader.uint8('setup_sects', SETUP_SECTS) || DEFAULT_SETUP_SECTS) + 1) * SECTOR
  const isCounted = version >= VERSION_SYSSIZE
  const size = isCounted ? reader.uint32('syssize', SYSSIZE) * PARAGRAPH : reader.length - setupSize
  if (size <= (bits === 64 ? ENTRY_64 : 0)) {
    throw reader.fault('syssize', SYSSIZE, `a kernel of ${size} bytes has no entry`)
  }
  const missing = setupSize + size - reader.length
  if (missing >= PARAGRAPH) {
    const problem = `a kernel of ${hex(size)} bytes after ${hex(setupSize)} of setup, in ${hex(reader.length)} in all`
    throw reader.fault('syssize', SYSSIZE, problem, { kernelSize: size, setupSize, length: reader.length })
  }
  if (missing <= 0) return reader.slice('the kernel', setupSize, size)
  // syssize is rounded up: the file may end in the last paragraph.
  const padded = new Uint8Array(size)
  padded.set(reader.slice('the kernel', setupSize, size - missing))
  return padded
}

/** The jump over the header says where it ends; boot_params has room for so much of it. */
function headerEnd(reader: ImageReader): number {
  if (reader.uint8('jump', JUMP) !== SHORT_JUMP) return HEADER_END
  const end = HEADER + reader.uint8('jump', JUMP_LENGTH)
  return Math.min(Math.max(end, HEADER_END_MIN), HEADER_END_MAX)
}

function placementFields(reader: ImageReader, version: number, kernelSize: number) {
  const relocatable = version >= VERSION_RELOCATABLE && reader.uint8('relocatable_kernel', RELOCATABLE_KERNEL) !== 0
  const kernelAlignment = relocatable ? reader.uint32('kernel_alignment', KERNEL_ALIGNMENT) : 1
  const isPowerOfTwo = kernelAlignment > 0 && (kernelAlignment & (kernelAlignment - 1)) === 0
  if (!isPowerOfTwo) {
    throw reader.fault('kernel_alignment', KERNEL_ALIGNMENT, `${hex(kernelAlignment)} is no power of two`)
  }
  if (version < VERSION_PREF_ADDRESS) {
    return { relocatable, kernelAlignment, prefAddress: OLD_LOAD_ADDRESS, initSize: kernelSize * OLD_INIT_FACTOR }
  }
  const initSize = Math.max(reader.uint32('init_size', INIT_SIZE), kernelSize)
  return { relocatable, kernelAlignment, prefAddress: reader.uint64('pref_address', PREF_ADDRESS), initSize }
}

/** The compressed vmlinux within the protected-mode kernel (since 2.08). Only who unpacks it asks for it. */
export function payloadOf(image: Uint8Array): Uint8Array {
  const { version, kernel } = parseSetupHeader(image)
  const reader = new ImageReader('bzImage', image)
  if (version < VERSION_PAYLOAD) throw reader.fault('version', VERSION, 'the header says nothing about a payload')
  const offset = reader.uint32('payload_offset', PAYLOAD_OFFSET)
  const length = reader.uint32('payload_length', PAYLOAD_LENGTH)
  if (offset + length <= kernel.length) return kernel.subarray(offset, offset + length)
  const problem = `${hex(length)} bytes at ${hex(offset)} do not lie in a kernel of ${hex(kernel.length)} bytes`
  throw reader.fault('payload_length', PAYLOAD_LENGTH, problem, { payloadOffset: offset, payloadLength: length })
}

/** Where in the image faults of placing lie. */
export const LOAD_FAULT = { image: 'bzImage', field: 'init_size', offset: INIT_SIZE } as const
export const COMMAND_LINE_FAULT = { image: 'bzImage', field: 'cmdline_size', offset: CMDLINE_SIZE } as const
export const INITRD_FAULT = { image: 'bzImage', field: 'initrd_addr_max', offset: INITRD_ADDR_MAX } as const
export const PAYLOAD_FAULT = { image: 'bzImage', field: 'payload_length', offset: PAYLOAD_LENGTH } as const
