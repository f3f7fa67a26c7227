// @ts-check
// What a host without a shared file system needs to run this package: node, its libraries, and what npm would install.

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { LabError } from './errors.mjs'
import { run } from './tool.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The compiled package; without it there is nothing to run. */
const BUILT = ['package.json', 'dist']
/** The addon, in one of these. */
const ADDON = ['build/Release/node_kvm.node', 'prebuilds']

/** @param {string} program @returns {Promise<string[]>} the paths of the shared libraries, and of the loader */
async function libraries(program) {
  return [...(await run('ldd', [program])).matchAll(/(?:=>\s+|^\s*)(\/\S+) \(/gm)].map(([, path]) => path ?? '')
}

/** @returns {Promise<Map<string, string>>} path inside -> path outside, files and folders */
export async function packageFiles() {
  const missing = BUILT.filter((name) => !existsSync(join(root, name)))
  const addon = ADDON.filter((name) => existsSync(join(root, name)))
  if (missing.length > 0 || addon.length === 0) throw new LabError('The package is not built. Run: npm run build')

  const manifest = /** @type {unknown} */ (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const { dependencies } = /** @type {{ dependencies: Record<string, string> }} */ (manifest)
  const modules = Object.keys(dependencies).map((name) => join('node_modules', name))
  const paths = [
    process.execPath,
    ...(await libraries(process.execPath)),
    ...[...BUILT, ...addon, ...modules].map((name) => join(root, name)),
  ]
  return new Map(paths.map((path) => [path, realpathSync(path)]))
}
