import { promisify } from 'node:util'
import { KvmError } from '../../errors.js'
import { hex } from '../../format.js'
import { checkBytes, checkInteger, checkOptions } from '../../validate.js'
import { detectFormat } from '../detect-format.js'
import { ImageReader } from '../../image/image-reader.js'
import { PAYLOAD_FAULT, payloadOf } from './setup-header.js'
import { imageError } from '../../image/image-error.js'
import { LZ4_LEGACY_MAGIC, unpackLz4 } from '../../image/unpack/lz4.js'

const littleEndian = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)

type Unpack = (packed: Uint8Array, size: number) => Uint8Array | Promise<Uint8Array>

const XZ_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
const ZSTD_MAGIC = 0xfd2f_b528

/** By the first bytes of a payload. What has no function is known and not supported. */
const COMPRESSIONS: { name: string; magic: readonly number[]; unpack?: Unpack }[] = [
  { name: 'gzip', magic: [0x1f, 0x8b], unpack: unpackGzip },
  { name: 'xz', magic: XZ_MAGIC, unpack: withoutTrailer(unpackXz) },
  { name: 'lz4', magic: littleEndian(LZ4_LEGACY_MAGIC), unpack: withoutTrailer(unpackLz4) },
  { name: 'zstd', magic: littleEndian(ZSTD_MAGIC), unpack: withoutTrailer(unpackZstd) },
  { name: 'no compression', magic: [0x7f, 0x45, 0x4c, 0x46], unpack: (packed) => packed },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'lzma', magic: [0x5d, 0x00, 0x00] },
  { name: 'lzo', magic: [0x89, 0x4c, 0x5a, 0x4f] },
]

/** The unpacked size, which every kernel build appends; gzip has it there by itself. */
const TRAILER_SIZE = 4
const MIB = 1024 ** 2
const DEFAULT_MAX_SIZE = 1024 * MIB

export interface UnpackOptions {
  /** An image that says it unpacks to more than this is refused. Default: 1 GiB. */
  maxSize?: number
}

/**
 * The vmlinux in a bzImage, unpacked: gzip, xz, lz4 or zstd. An ELF image is returned as it is. No more comes out than
 * the image says, and no more than `maxSize`.
 */
export async function unpackKernel(image: Uint8Array, options: UnpackOptions = {}): Promise<Uint8Array> {
  checkBytes('image', image)
  checkOptions('options', options, ['maxSize'])
  const maxSize = checkInteger('maxSize', options.maxSize ?? DEFAULT_MAX_SIZE, 1, 2 ** 32)
  if (detectFormat(image) === 'elf') return image
  const packed = new ImageReader('kernel payload', payloadOf(image))
  if (packed.length <= TRAILER_SIZE) throw imageError(PAYLOAD_FAULT, `${packed.length} bytes are no payload`)
  const size = packed.uint32('unpacked size', packed.length - TRAILER_SIZE)

  const found = COMPRESSIONS.find(({ magic }) => magic.every((byte, index) => packed.bytes[index] === byte))
  const magic = hex(packed.uint32('magic', 0))
  if (found === undefined) throw packed.fault('magic', 0, `${magic} belongs to no compression that kernels use`)
  if (found.unpack === undefined) {
    const problem = `${found.name} is not supported; boot the bzImage itself, which unpacks itself`
    throw packed.fault('magic', 0, problem, { compression: found.name })
  }
  if (found.name !== 'no compression' && size > maxSize) {
    const problem = `${size} bytes would come out; ${maxSize} are allowed`
    throw packed.fault('unpacked size', packed.length - TRAILER_SIZE, problem, { size, maxSize })
  }
  try {
    return await found.unpack(packed.bytes, size)
  } catch (error) {
    if (error instanceof KvmError) throw error
    throw imageError({ ...PAYLOAD_FAULT, field: 'payload' }, `it is no intact ${found.name} data`, { cause: error })
  }
}

function withoutTrailer(unpack: Unpack): Unpack {
  return (packed, size) => unpack(packed.subarray(0, -TRAILER_SIZE), size)
}

// What these need is not loaded before.

async function unpackXz(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { unpackXz } = await import('../../image/unpack/xz.js')
  return unpackXz(packed, size)
}

async function unpackZstd(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { unpackZstd } = await import('../../image/unpack/zstd/unpack.js')
  return unpackZstd(packed, size)
}

async function unpackGzip(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { gunzip } = await import('node:zlib')
  return await promisify(gunzip)(packed, { maxOutputLength: Math.max(size, 1) })
}
