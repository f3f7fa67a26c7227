// @ts-check
// A Debian kernel package, ready to start: its modules, and its image without the compression.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { addEntry, cachePath } from './cache.mjs'
import { LabError } from './errors.mjs'
import { resolveModules } from './kernel-modules.mjs'
import { unpackedPackage } from './packages.mjs'
import { run } from './tool.mjs'

// Linux x86 boot protocol (Documentation/arch/x86/boot.rst), offsets in a bzImage.
const SETUP_SECTORS = 0x1f1
const PAYLOAD_OFFSET = 0x248
const PAYLOAD_LENGTH = 0x24c
const SECTOR = 512
/** The payload ends with the unpacked size, for the kernel's own unpacker. */
const SIZE_TRAILER = 4

/** @param {Buffer} image @returns {Buffer} the compressed vmlinux in it */
function payload(image) {
  const kernel = image.subarray((image.readUInt8(SETUP_SECTORS) + 1) * SECTOR)
  const offset = image.readUInt32LE(PAYLOAD_OFFSET)
  return kernel.subarray(offset, offset + image.readUInt32LE(PAYLOAD_LENGTH) - SIZE_TRAILER)
}

/** @param {string} name of the package, without a version: linux-image-amd64 */
export function debianKernel(name) {
  const unpacked = unpackedPackage(name)

  /** @param {string} folder @param {string} prefix */
  function findIn(folder, prefix) {
    const found = readdirSync(join(unpacked.path(), folder)).find((entry) => entry.startsWith(prefix))
    if (found === undefined) throw new LabError(`${unpacked.path()} has no ${folder}/${prefix}*`)
    return join(unpacked.path(), folder, found)
  }
  const version = () => basename(unpacked.path()).slice(name.length + 1)
  const image = () => join(cachePath(`vmlinux-${name}@${version()}`), 'vmlinux')

  return {
    /** @type {import('./packages.mjs').Step[]} */
    steps: [
      unpacked,
      {
        title: `Decompress the kernel of ${name}`,
        isDone: () => unpacked.isDone() && existsSync(image()),
        async run() {
          await addEntry(`vmlinux-${name}`, version(), async (folder) => {
            const compressed = join(folder, 'vmlinux.xz')
            writeFileSync(compressed, payload(readFileSync(findIn('boot', 'vmlinuz-'))))
            await run('xz', ['--decompress', compressed])
          })
        },
      },
    ],
    /** As the package has it. */
    compressedImage: () => findIn('boot', 'vmlinuz-'),
    /** QEMU starts this one at its PVH entry. An emulated CPU needs seconds to unpack the other. */
    image,
    /** @param {readonly string[]} wanted */
    modules: (wanted) => resolveModules(findIn('lib/modules', ''), wanted),
  }
}
