// @ts-check
// A Debian kernel package, ready to start: its modules, and its image without the compression.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { addEntry, cachePath } from './cache.mjs'
import { LabError } from './errors.mjs'
import { payload, uncompressedBzImage } from './bzimage.mjs'
import { resolveModules } from './kernel-modules.mjs'
import { unpackedPackage } from './packages.mjs'
import { run } from './tool.mjs'

/** @param {string} name of the package, without a version: linux-image-amd64 */
export function debianKernel(name) {
  const unpacked = unpackedPackage(name)

  /** @param {string} folder @param {string} prefix */
  function findIn(folder, prefix) {
    const found = readdirSync(join(unpacked.path(), folder)).find((entry) => entry.startsWith(prefix))
    if (found === undefined) throw new LabError(`${unpacked.path()} has no ${folder}/${prefix}*`)
    return join(unpacked.path(), folder, found)
  }
  /**
   * A file that is made from the package's, in an entry of its own.
   * @param {string} file
   * @param {string} title
   * @param {(path: string) => Promise<void>} make
   */
  function derived(file, title, make) {
    const version = () => basename(unpacked.path()).slice(name.length + 1)
    const path = () => join(cachePath(`${file}-${name}@${version()}`), file)
    return {
      title: `${title} of ${name}`,
      isDone: () => unpacked.isDone() && existsSync(path()),
      run: () => addEntry(`${file}-${name}`, version(), (folder) => make(join(folder, file))),
      path,
    }
  }
  const compressed = () => readFileSync(findIn('boot', 'vmlinuz-'))
  const vmlinux = derived('vmlinux', 'Unpack the kernel', async (path) => {
    writeFileSync(`${path}.xz`, payload(compressed()))
    await run('xz', ['--decompress', `${path}.xz`])
  })
  const bzImage = derived('bzimage', 'Make a boot image', async (path) => {
    writeFileSync(path, await uncompressedBzImage(compressed(), readFileSync(vmlinux.path())))
  })

  return {
    unpacked,
    /** The image as Debian ships it: a bzImage, compressed. */
    vmlinuz: () => findIn('boot', 'vmlinuz-'),
    /** For emulators that enter a kernel at its PVH entry, as QEMU does. */
    vmlinux,
    /** For boot loaders; it needs no unpacking either. */
    bzImage,
    /** @param {readonly string[]} wanted */
    modules: (wanted) => resolveModules(findIn('lib/modules', ''), wanted),
  }
}
