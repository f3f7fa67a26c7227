// @ts-check
// A Debian for another processor than this machine's, as a folder.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addEntry, cachePath } from './cache.mjs'
import { debianVersion, writeDebian } from './debian.mjs'
import { LabError } from './errors.mjs'
import { resolveModules } from './kernel-modules.mjs'
import { run } from './tool.mjs'

/** @param {Pick<import('./debian.mjs').Debian, 'architecture' | 'release' | 'packages'>} options  with a kernel among the packages */
export function debianRoot(options) {
  /** @type {import('./debian.mjs').Debian} */
  const debian = { variant: 'extract', ...options }
  const name = `debian-${debian.architecture}`
  const version = debianVersion(debian)
  const path = () => cachePath(`${name}@${version}`)

  /** @param {string} folder @param {string} prefix */
  function findIn(folder, prefix) {
    const found = readdirSync(join(path(), folder)).find((entry) => entry.startsWith(prefix))
    if (found === undefined) throw new LabError(`${path()} has no ${folder}/${prefix}*`)
    return join(path(), folder, found)
  }

  return {
    title: `Download a Debian for ${debian.architecture}`,
    isDone: () => existsSync(path()),
    run: () =>
      addEntry(name, version, async (folder) => {
        const archive = join(folder, '..', 'root.tar')
        await writeDebian(archive, debian)
        await run('tar', ['--extract', '--no-same-owner', '--file', archive, '--directory', folder])
      }),
    path,
    /** The kernel as the package has it. */
    vmlinuz: () => findIn('boot', 'vmlinuz-'),
    /** @param {readonly string[]} wanted */
    modules: (wanted) => resolveModules(findIn('usr/lib/modules', ''), wanted),
  }
}
