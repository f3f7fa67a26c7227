import { crc32 } from 'node:zlib'

// The smallest .xz stream around a block's packed data (.xz file format 1.2.1, chapters 2 to 4): one block, one filter,
// no check.

const HEADER_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]
const FOOTER_MAGIC = [0x59, 0x5a]
const NO_CHECK = [0x00, 0x00]
const LZMA2 = 0x21
const BLOCK_HEADER_SIZE = 12

const uint32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)
const crc = (bytes: number[]): number[] => uint32(crc32(Uint8Array.from(bytes)))
const withCrc = (bytes: number[]): number[] => [...bytes, ...crc(bytes)]

function variableLength(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) | 0x80, ...variableLength(Math.floor(value / 0x80))]
}

/** Fills up to a multiple of four bytes. */
const padded = (bytes: number[]): number[] => [...bytes, ...padding(bytes.length)]
const padding = (length: number): number[] => Array.from({ length: -length & 3 }, () => 0)

/** The stream in parts, `data` uncopied among them. `dictionary` is LZMA2's one property. */
export function plainStream(data: Uint8Array, dictionary: number, unpackedSize: number): Uint8Array[] {
  const header = [...HEADER_MAGIC, ...withCrc(NO_CHECK)]
  const blockHeader = withCrc([BLOCK_HEADER_SIZE / 4 - 1, 0, LZMA2, 1, dictionary, 0, 0, 0])
  const records = [...variableLength(BLOCK_HEADER_SIZE + data.length), ...variableLength(unpackedSize)]
  const index = withCrc(padded([0, 1, ...records]))
  const footer = [...uint32(index.length / 4 - 1), ...NO_CHECK]
  const tail = [...padding(data.length), ...index, ...crc(footer), ...footer, ...FOOTER_MAGIC]
  return [Uint8Array.from([...header, ...blockHeader]), data, Uint8Array.from(tail)]
}
