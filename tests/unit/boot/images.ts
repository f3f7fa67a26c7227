// Synthetic images: the smallest that the loaders accept, with any field changed.

export type Width = 1 | 2 | 4 | 8
/** A field's offset, width and value. */
export type Field = readonly [offset: number, width: Width, value: number | bigint]

export function setField(bytes: Uint8Array, [offset, width, value]: Field): void {
  for (let index = 0; index < width; index++) {
    bytes[offset + index] = Number((BigInt.asUintN(64, BigInt(value)) >> BigInt(8 * index)) & 0xffn)
  }
}

/** Fields of the setup header (Linux, Documentation/arch/x86/boot.rst). */
export const SETUP = {
  setup_sects: [0x1f1, 1],
  syssize: [0x1f4, 4],
  boot_flag: [0x1fe, 2],
  jump: [0x200, 2],
  header: [0x202, 4],
  version: [0x206, 2],
  loadflags: [0x211, 1],
  initrd_addr_max: [0x22c, 4],
  kernel_alignment: [0x230, 4],
  relocatable_kernel: [0x234, 1],
  xloadflags: [0x236, 2],
  cmdline_size: [0x238, 4],
  payload_offset: [0x248, 4],
  payload_length: [0x24c, 4],
  pref_address: [0x258, 8],
  init_size: [0x260, 4],
} as const
export type SetupField = keyof typeof SETUP

const VALUES: Record<SetupField, number> = {
  setup_sects: 1,
  syssize: 0x100,
  boot_flag: 0xaa55,
  jump: 0x6aeb, // the header ends at 0x26c
  header: 0x5372_6448,
  version: 0x020f,
  loadflags: 1,
  initrd_addr_max: 0x7fff_ffff,
  kernel_alignment: 0x20_0000,
  relocatable_kernel: 1,
  xloadflags: 0x2b,
  cmdline_size: 2047,
  payload_offset: 0x400,
  payload_length: 0x100,
  pref_address: 0x100_0000,
  init_size: 0x80_0000,
}

export const SETUP_SIZE = 2 * 512

/** Two sectors of setup and a kernel of 4 KiB, whose bytes count. */
export function bzImage(changes: Partial<Record<SetupField, number | bigint>> = {}, payload?: Uint8Array): Uint8Array {
  const kernelSize = payload === undefined ? 0x1000 : Math.ceil((0x400 + payload.length) / 16) * 16
  const image = new Uint8Array(SETUP_SIZE + kernelSize)
  for (let at = SETUP_SIZE; at < image.length; at++) image[at] = at % 251
  if (payload !== undefined) image.set(payload, SETUP_SIZE + 0x400)
  const values = {
    ...VALUES,
    syssize: kernelSize / 16,
    ...(payload === undefined ? {} : { payload_length: payload.length, init_size: Math.max(kernelSize, 0x80_0000) }),
    ...changes,
  }
  for (const [name, [offset, width]] of Object.entries(SETUP)) {
    setField(image, [offset, width, values[name as SetupField]])
  }
  return image
}

export interface Segment {
  type?: number
  offset?: number | bigint
  paddr?: number | bigint
  vaddr?: number | bigint
  filesz?: number | bigint
  memsz?: number | bigint
  align?: number
  content?: Uint8Array
}

/** An executable; each segment's content follows the headers. */
export function elf(
  segments: readonly Segment[],
  {
    bits = 64,
    entry = 0x10_0000,
    header = [],
  }: { bits?: number; entry?: number | bigint; header?: readonly Field[] } = {},
): Uint8Array {
  const is64 = bits === 64
  const [ehsize, phsize] = is64 ? [64, 56] : [52, 32]
  const word: Width = is64 ? 8 : 4
  const headers = ehsize + phsize * segments.length
  const total = segments.reduce((sum, { content }) => sum + (content?.length ?? 0), headers)
  const image = new Uint8Array(total)
  const set = (...fields: Field[]) => fields.forEach((field) => setField(image, field))
  set([0, 4, 0x464c_457f], [4, 1, is64 ? 2 : 1], [5, 1, 1], [6, 1, 1])
  set([16, 2, 2], [18, 2, is64 ? 62 : 3], [20, 4, 1], [24, word, entry])
  set([is64 ? 32 : 28, word, ehsize], [is64 ? 54 : 42, 2, phsize], [is64 ? 56 : 44, 2, segments.length])
  let next = headers
  for (const [index, segment] of segments.entries()) {
    const at = ehsize + index * phsize
    const content = segment.content ?? new Uint8Array()
    image.set(content, next)
    const paddr = segment.paddr ?? 0x10_0000
    const { type = 1, offset = next, filesz = content.length, vaddr = paddr, align = 0x1000 } = segment
    const memsz = segment.memsz ?? filesz
    const [offsetAt, vaddrAt, paddrAt, fileszAt, memszAt, alignAt] = is64
      ? [8, 16, 24, 32, 40, 48]
      : [4, 8, 12, 16, 20, 28]
    set([at, 4, type], [at + offsetAt, word, offset], [at + vaddrAt, word, vaddr], [at + paddrAt, word, paddr])
    set([at + fileszAt, word, filesz], [at + memszAt, word, memsz], [at + alignAt, word, align])
    next += content.length
  }
  for (const field of header) setField(image, field)
  return image
}

/** An ELF note. */
export function note(name: string, type: number, descriptor: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(`${name}\0`)
  const pad = (length: number) => Math.ceil(length / 4) * 4
  const bytes = new Uint8Array(12 + pad(text.length) + pad(descriptor.length))
  setField(bytes, [0, 4, text.length])
  setField(bytes, [4, 4, descriptor.length])
  setField(bytes, [8, 4, type])
  bytes.set(text, 12)
  bytes.set(descriptor, 12 + pad(text.length))
  return bytes
}

export const uint32 = (value: number): Uint8Array =>
  Uint8Array.from([0, 8, 16, 24], (shift) => (value >>> shift) & 0xff)

export const PT_NOTE = 4
export const PHYS32_ENTRY = 18

/** A vmlinux with one page of code and a PVH entry 16 bytes into it. */
export function vmlinux(options: { entryNote?: Uint8Array; segments?: readonly Segment[] } = {}): Uint8Array {
  const content = Uint8Array.from({ length: 0x1000 }, (_, index) => index % 251)
  return elf(
    [
      { content, paddr: 0x100_0000, vaddr: 0xffff_ffff_8100_0000n, memsz: 0x3000 },
      { type: PT_NOTE, content: options.entryNote ?? note('Xen', PHYS32_ENTRY, uint32(0x100_0010)), align: 4 },
      ...(options.segments ?? []),
    ],
    { entry: 0x100_0000 },
  )
}

/** A Multiboot header with a right checksum. */
export function multiboot1Header(flags: number, fields: readonly number[] = []): Uint8Array {
  const words = [0x1bad_b002, flags, -(0x1bad_b002 + flags) >>> 0, ...fields]
  return Uint8Array.from(words.flatMap((word) => [...uint32(word)]))
}

/** Type, flags and words of a tag of a Multiboot 2 header. */
export type Tag = readonly [type: number, flags: number, ...words: number[]]

/** A Multiboot 2 header with a right checksum and an end tag. */
export function multiboot2Header(tags: readonly Tag[], architecture = 0): Uint8Array {
  const encoded = [...tags, [0, 0] as const].flatMap(([type, flags, ...words]) => {
    const all = [type | (flags << 16), 8 + 4 * words.length, ...words]
    return all.length % 2 === 0 ? all : [...all, 0]
  })
  const length = 16 + 4 * encoded.length
  const checksum = -(0xe852_50d6 + architecture + length) >>> 0
  return Uint8Array.from([0xe852_50d6, architecture, length, checksum, ...encoded].flatMap((word) => [...uint32(word)]))
}
