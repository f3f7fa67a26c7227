// @ts-check
// Node, and those of this checkout's npm packages that are programs, for another processor than this machine's.

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addEntry, cachePath } from './cache.mjs'
import { run } from './tool.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Where npm puts a package. */
const FOLDER = 'node_modules/'

/** @typedef {{ version: string, cpu?: string[], os?: string[], libc?: string[] }} LockedPackage */

/**
 * The compiled parts of other packages: what package-lock.json has for Linux with glibc on no processor but this one.
 * @param {string} cpu
 */
function compiledPackages(cpu) {
  const lock = /** @type {unknown} */ (JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))
  const { packages } = /** @type {{ packages: Record<string, LockedPackage> }} */ (lock)
  return Object.entries(packages).flatMap(([path, { version, cpu: cpus, os, libc = ['glibc'] }]) =>
    cpus?.join() === cpu && os?.includes('linux') && libc.includes('glibc')
      ? [{ path, name: path.slice(path.lastIndexOf(FOLDER) + FOLDER.length), version }]
      : [],
  )
}

/** @param {string} cpu  as npm calls it */
export function npmPackages(cpu) {
  const node = `node-linux-${cpu}`
  const compiled = compiledPackages(cpu)
  const [major] = process.versions.node.split('.')
  const wanted = [`${node}@${major}`, ...compiled.map(({ name, version }) => `${name}@${version}`)]
  const version = createHash('sha256').update(wanted.join()).digest('hex').slice(0, 12)
  const path = cachePath(`npm-${cpu}@${version}`)

  return {
    title: `Download Node ${major} for ${cpu}`,
    isDone: () => existsSync(path),
    run: () =>
      addEntry(`npm-${cpu}`, version, async (folder) => {
        // Forced, for they are not for this machine.
        const options = ['--force', '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
        await run('npm', ['install', ...options, '--prefix', folder, ...wanted])
      }),
    /** The folder with the program `node`. */
    bin: join(path, FOLDER, node, 'bin'),
    /** Puts them into this checkout. @type {import('./job.mjs').Share[]} */
    shares: compiled.map((part) => ({ source: join(path, FOLDER, part.name), target: join(root, part.path) })),
  }
}
