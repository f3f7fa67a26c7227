// @ts-check
// Makes the addons that the package brings along, prebuilds/linux-ARCH/node-kvm.node, unless they are newer than their sources:
//   node scripts/prebuild.mjs [x64] [arm64]     both when none is named
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import prebuildify from 'prebuildify'
import { nodedir } from './node-headers.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = ['binding.gyp', 'native']
/** @type {Record<string, string>} what the names of an architecture's compilers start with */
const toolchains = { x64: '', arm64: 'aarch64-linux-gnu-' }

process.env['JOBS'] = 'max'
process.env['npm_config_loglevel'] = 'warn'
if (nodedir) process.env['npm_config_nodedir'] = nodedir

const named = process.argv.slice(2)
for (const arch of named.length > 0 ? named : Object.keys(toolchains)) {
  if (newest(join(root, `prebuilds/linux-${arch}`)) < Math.max(...sources.map((path) => newest(join(root, path)))))
    await prebuild(arch)
}

/** @param {string} arch */
async function prebuild(arch) {
  const tools = toolchains[arch]
  if (tools === undefined) throw new Error(`no compiler is known for ${arch}`)
  Object.assign(process.env, { CC: `${tools}gcc`, CXX: `${tools}g++` })

  // prebuildify wipes the build folder that it works in, so it gets one of its own.
  const cwd = mkdtempSync(join(tmpdir(), 'node-kvm-prebuild-'))
  try {
    for (const path of ['package.json', ...sources]) cpSync(join(root, path), join(cwd, path), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'))
    const targets = [process.versions.node]
    await promisify(prebuildify)({ cwd, out: root, arch, targets, napi: true, strip: true, stripBin: `${tools}strip` })
  } finally {
    rmSync(cwd, { recursive: true })
  }
}

/**
 * When a file, or the newest file in a folder, was written; 0 when there is none.
 * @param {string} path
 * @returns {number}
 */
function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) return 0
  return stat.isDirectory() ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name)))) : stat.mtimeMs
}
