import { detectFormat } from '../boot/index.js'

/** What a file is that is no kernel, and what to do with it. */
interface Kind {
  is: (file: Uint8Array) => boolean
  advice: (path: string) => string
}

const has = (file: Uint8Array, offset: number, bytes: readonly number[]) =>
  bytes.every((byte, index) => file[offset + index] === byte)
const text = (letters: string) => Array.from(Buffer.from(letters, 'latin1'))

const packed = (what: string, magic: readonly number[], program: string): Kind => ({
  is: (file) => has(file, 0, magic),
  advice: (path) => `it is ${what}-compressed: unpack it first, ${program} -dc ${quote(path)} > kernel`,
})
const other = (offset: number, magic: readonly number[], advice: string): Kind => ({
  is: (file) => has(file, offset, magic),
  advice: () => advice,
})

const KINDS: readonly Kind[] = [
  packed('gzip', [0x1f, 0x8b], 'gzip'),
  packed('xz', [0xfd, ...text('7zXZ')], 'xz'),
  packed('zstd', [0x28, 0xb5, 0x2f, 0xfd], 'zstd'),
  packed('bzip2', text('BZh'), 'bzip2'),
  packed('lz4', [0x04, 0x22, 0x4d, 0x18], 'lz4'),
  packed('lz4', [0x02, 0x21, 0x4c, 0x18], 'lz4'), // as Linux packs itself
  {
    is: (file) => has(file, 0, text('07070')),
    advice: (path) => `it is a cpio archive, an initial RAM disk: --initrd ${quote(path)}`,
  },
  { is: isFirmware, advice: (path) => `it is firmware: --firmware ${quote(path)}` },
  other(0, text('QFI\xfb'), 'it is a disk image (qcow2): take the kernel out of it'),
  other(0x8001, text('CD001'), 'it is a CD image: take the kernel out of it'),
  other(0x38, text('ARMd'), "it is arm64's kernel: this machine is a PC"),
  other(0, text('!<arch>'), 'it is an archive, as Debian packages are: take the kernel out of it'),
  other(0, text('#!'), 'it is a script'),
  other(0, text('MZ'), 'it is an EFI program: there is no EFI here'),
  {
    is: (file) => has(file, 0x1fe, [0x55, 0xaa]),
    advice: (path) => `it begins with a boot sector: --format flat ${quote(path)}`,
  },
]

/** What to do with a file that has no kernel's header. */
export function adviceFor(path: string, file: Uint8Array): string {
  const kind = KINDS.find(({ is }) => is(file))
  return kind?.advice(path) ?? 'if it has none on purpose, say --format flat, and --address and --mode'
}

/** Whether it is a kernel rather than firmware. */
export function isKernel(file: Uint8Array): boolean {
  return ['bzimage', 'elf'].includes(detectFormat(file))
}

/** Firmware is of whole 64 KiB, and the processor starts 16 bytes before its end: there is a jump. */
function isFirmware(file: Uint8Array): boolean {
  const JUMPS = [0xea, 0xe9, 0xeb]
  const start = file.subarray(-16)
  const [first = 0] = start.filter((byte) => byte !== 0x90)
  return file.length > 0 && file.length % 0x1_0000 === 0 && JUMPS.includes(first)
}

/** For a shell. */
function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
