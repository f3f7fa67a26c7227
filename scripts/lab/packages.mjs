// @ts-check
// Debian packages: programs are installed, everything else (kernels, a static busybox) is only unpacked into the
// cache, which needs no root and leaves the machine as it is.

import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addEntry, findEntry } from './cache.mjs'
import { LabError } from './errors.mjs'
import { asRoot, installLine, isOnPath, lineAsRoot, missingPackages } from '../system-packages.mjs'
import { run } from './tool.mjs'

/**
 * One thing that must be there before a host starts.
 * @typedef {object} Step
 * @property {string} title
 * @property {() => boolean} isDone
 * @property {() => Promise<void>} run
 * @property {() => string[]} [missing]  the Debian packages that it would install
 */

const APT = ['-q', '-y', '-o', 'DPkg::Lock::Timeout=300']

/** Runs apt-get as root, if this user may; else says what to type. @param {string[]} args @param {string} line */
async function aptAsRoot(args, line) {
  const root = asRoot()
  if (root === undefined) throw new LabError(`This takes root. Type this, and run the command again:\n\n  ${line}\n`)
  const [program = '', ...rest] = [...root, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...APT, ...args]
  await run(program, rest)
}

/** @param {string} [line]  for a person to type */
const updateLists = (line = lineAsRoot('apt-get update')) => aptAsRoot(['update'], line)

/** apt knows no packages at all before its first update, as in a fresh container. */
function hasLists() {
  const lists = '/var/lib/apt/lists'
  return existsSync(lists) && readdirSync(lists).some((name) => name.endsWith('_InRelease'))
}

/** Package lists grow old, and then name files that the archive no longer has. @param {() => Promise<void>} action @param {string} [line] */
async function withFreshLists(action, line) {
  if (!hasLists()) await updateLists(line)
  try {
    await action()
  } catch (error) {
    if (asRoot() === undefined) throw error
    await updateLists()
    await action()
  }
}

/**
 * Programs that must be on the path.
 * @param {import('../system-packages.mjs').Programs} programs
 * @returns {Step}
 */
export function installedPrograms(programs) {
  const missing = () => missingPackages(programs)
  return {
    title: `Install ${missing().join(', ')}`,
    missing,
    isDone: () => missing().length === 0,
    async run() {
      const packages = missing()
      if (!isOnPath('apt-get'))
        throw new LabError(
          `The lab needs these packages of Debian, and there is no apt-get here: ${packages.join(' ')}`,
        )
      const line = installLine(packages)
      await withFreshLists(() => aptAsRoot(['install', '--no-install-recommends', ...packages], line), line)
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
        if (version === undefined)
          throw new LabError(
            `apt knows no package ${real}. Bring its lists up to date: ${lineAsRoot('apt-get update')}`,
          )
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
