// @ts-check
// Debian packages: programs are installed, everything else (kernels, a static busybox) is only unpacked into the
// cache, which needs no root and leaves the machine as it is.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addEntry, findEntry } from './cache.mjs'
import { LabError } from './errors.mjs'
import { isOnPath, run } from './tool.mjs'

/**
 * One thing that must be there before a host starts.
 * @typedef {object} Step
 * @property {string} title
 * @property {() => boolean} isDone
 * @property {() => Promise<void>} run
 */

const APT = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300']

/** apt knows no packages at all before its first update, as in a fresh container. */
async function updateLists() {
  const lists = '/var/lib/apt/lists'
  const isRoot = process.getuid?.() === 0
  if (isRoot && !(existsSync(lists) && readdirSync(lists).some((name) => name.endsWith('_InRelease'))))
    await run('apt-get', [...APT, 'update'])
}

/** Package lists grow old, and then name files that the archive no longer has. @param {() => Promise<void>} action */
async function withFreshLists(action) {
  await updateLists()
  try {
    await action()
  } catch (error) {
    if (process.getuid?.() !== 0) throw error
    await run('apt-get', [...APT, 'update'])
    await action()
  }
}

/**
 * Programs that must be on the path.
 * @param {Record<string, string>} programs  command -> packages, separated by spaces
 * @returns {Step}
 */
export function installedPrograms(programs) {
  const missing = () => [
    ...new Set(Object.entries(programs).flatMap(([command, names]) => (isOnPath(command) ? [] : names.split(' ')))),
  ]
  return {
    title: `Install ${missing().join(', ')}`,
    isDone: () => missing().length === 0,
    async run() {
      const install = `apt-get install --no-install-recommends ${missing().join(' ')}`
      if (!isOnPath('apt-get'))
        throw new LabError(
          `The lab needs these packages of Debian, and there is no apt-get here: ${missing().join(' ')}`,
        )
      if (process.getuid?.() !== 0)
        throw new LabError(`Packages are missing. Install them and run the command again:\n  sudo ${install}`)
      await withFreshLists(async () => {
        await run('apt-get', [...APT, 'install', '--no-install-recommends', ...missing()])
      })
    },
  }
}

/** A kernel's unversioned package only depends on the real one. @param {string} name */
async function realPackage(name) {
  if (!name.startsWith('linux-image-')) return name
  const depends = /Depends: (linux-image-\S+)/.exec(await run('apt-cache', ['depends', '--no-recommends', name]))
  return depends?.[1] ?? name
}

/**
 * A package's files, unpacked in the cache.
 * @param {string} name
 * @returns {Step & { path(): string }}
 */
export function unpackedPackage(name) {
  return {
    title: `Download ${name}`,
    isDone: () => findEntry(name) !== undefined,
    async run() {
      if (!isOnPath('apt-get'))
        throw new LabError(`The lab unpacks Debian's package ${name}, and there is no apt-get here.`)
      await withFreshLists(async () => {
        const real = await realPackage(name)
        const version = /^Version: (\S+)/m.exec(await run('apt-cache', ['show', '--no-all-versions', real]))?.[1]
        if (version === undefined) throw new LabError(`apt knows no package ${real}. Run apt-get update as root.`)
        await addEntry(name, version, async (folder) => {
          const download = join(folder, '..')
          await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', `${real}=${version}`], {
            cwd: download,
          })
          const archive = readdirSync(download).find((file) => file.endsWith('.deb'))
          if (archive === undefined) throw new LabError(`apt-get download ${real} brought no file.`)
          await run('dpkg-deb', ['-x', join(download, archive), folder])
        })
      })
    },
    path() {
      const path = findEntry(name)
      if (path === undefined) throw new LabError(`${name} is not in the cache.`)
      return path
    },
  }
}
