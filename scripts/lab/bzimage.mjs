// @ts-check
// Linux x86 boot protocol (Documentation/arch/x86/boot.rst): what is in a bzImage, and how to make one that need not be unpacked.

import { fileURLToPath } from 'node:url'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { physicalImage } from './elf.mjs'
import { run } from './tool.mjs'

// Header fields, by offset in the file.
const SETUP_SECTS = 0x1f1
const SYSSIZE = 0x1f4
const VERSION = 0x206
const RELOCATABLE_KERNEL = 0x234
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c

const SECTOR = 512
const PARAGRAPH = 16
const PAGE = 4096
/** Where a boot loader puts what follows the setup sectors. */
const LOAD_ADDRESS = 0x100000
/** The last version in which that address is not the kernel's to choose. */
const VERSION_2_09 = 0x209
/** The payload ends with the unpacked size, for the kernel's own unpacker. */
const SIZE_TRAILER = 4

/** @param {Buffer} image */
const setupLength = (image) => (image.readUInt8(SETUP_SECTS) + 1) * SECTOR

/** The compressed vmlinux in a bzImage. @param {Buffer} image */
export function payload(image) {
  const kernel = image.subarray(setupLength(image))
  const offset = image.readUInt32LE(PAYLOAD_OFFSET)
  return kernel.subarray(offset, offset + image.readUInt32LE(PAYLOAD_LENGTH) - SIZE_TRAILER)
}

/** @param {Record<string, number>} symbols @returns {Promise<Buffer>} the machine code of loader/enter-kernel.S */
async function loader(symbols) {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-lab-'))
  try {
    const [object, binary] = [join(folder, 'loader.o'), join(folder, 'loader.bin')]
    const defined = Object.entries(symbols).flatMap(([name, value]) => ['--defsym', `${name}=${value}`])
    const source = fileURLToPath(new URL('loader/enter-kernel.S', import.meta.url))
    await run('as', ['--64', '-mx86-used-note=no', ...defined, '-o', object, source])
    await run('ld', [
      '-m',
      'elf_x86_64',
      `-Ttext=0x${LOAD_ADDRESS.toString(16)}`,
      '--oformat=binary',
      '-o',
      binary,
      object,
    ])
    return readFileSync(binary)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** @param {Buffer} image @returns {number} its length without the zeros at its end, in whole pages */
function lengthWithoutZeros(image) {
  let length = image.length
  while (length > 0 && image[length - 1] === 0) length--
  return Math.ceil(length / PAGE) * PAGE
}

/**
 * A bzImage with the kernel as it is, for emulators that need minutes to unpack one.
 * @param {Buffer} compressed  the bzImage whose setup code is used
 * @param {Buffer} vmlinux     its kernel
 */
export async function uncompressedBzImage(compressed, vmlinux) {
  const { address, image } = physicalImage(vmlinux)
  const length = lengthWithoutZeros(image)
  const symbols = { SOURCE: 0, TARGET: address, SIZE: length, CLEAR: image.length - length }
  // The kernel lies behind the loader, whose length does not depend on where that is.
  symbols.SOURCE = LOAD_ADDRESS + (await loader(symbols)).length
  const kernel = Buffer.concat([await loader(symbols), image.subarray(0, length)])

  const setup = Buffer.from(compressed.subarray(0, setupLength(compressed)))
  setup.writeUInt32LE(kernel.length / PARAGRAPH, SYSSIZE)
  setup.writeUInt16LE(VERSION_2_09, VERSION)
  setup.writeUInt8(0, RELOCATABLE_KERNEL)
  return Buffer.concat([setup, kernel])
}
