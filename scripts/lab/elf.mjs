// @ts-check

/** ELF64: the file header's and the program headers' fields, by offset. */
const E_PHOFF = 0x20
const E_PHENTSIZE = 0x36
const E_PHNUM = 0x38
const P_OFFSET = 0x08
const P_PADDR = 0x18
const P_FILESZ = 0x20
const P_MEMSZ = 0x28
const PT_LOAD = 1

/**
 * An executable as it lies in physical memory.
 * @param {Buffer} elf
 * @returns {{ address: number, image: Buffer }}
 */
export function physicalImage(elf) {
  /** @param {number} offset */
  const number = (offset) => Number(elf.readBigUInt64LE(offset))
  const segments = Array.from({ length: elf.readUInt16LE(E_PHNUM) }, (_, index) => {
    const header = number(E_PHOFF) + index * elf.readUInt16LE(E_PHENTSIZE)
    return {
      type: elf.readUInt32LE(header),
      offset: number(header + P_OFFSET),
      address: number(header + P_PADDR),
      fileSize: number(header + P_FILESZ),
      memorySize: number(header + P_MEMSZ),
    }
  }).filter(({ type }) => type === PT_LOAD)

  const address = Math.min(...segments.map((segment) => segment.address))
  const end = Math.max(...segments.map((segment) => segment.address + segment.memorySize))
  const image = Buffer.alloc(end - address)
  for (const segment of segments) {
    elf.copy(image, segment.address - address, segment.offset, segment.offset + segment.fileSize)
  }
  return { address, image }
}
