// @ts-check
// Makes the addons that the package brings along, prebuilds/linux-ARCH/node-kvm.node, unless they are newer than their sources:
//   node scripts/prebuild.mjs [x64] [arm64]     this machine's when none is named
// They load on every system with glibc that Node 20's own binaries run on: see prebuild/.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import prebuildify from 'prebuildify'
import { nodedir } from './node-headers.mjs'
import { addonPath, isFresh, sources } from './prebuild/fresh.mjs'
import { writeOldGlibc } from './prebuild/glibc.mjs'
import { LIMITS, needsTooMuch } from './prebuild/needs.mjs'
import { ensurePackages, missingPackages } from './system-packages.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
/** What the names of a cross compiler and its kin start with. @type {Record<string, string>} */
const toolchains = { x64: 'x86_64-linux-gnu-', arm64: 'aarch64-linux-gnu-' }

process.env['JOBS'] = 'max'
process.env['npm_config_loglevel'] = 'warn'
if (nodedir) process.env['npm_config_nodedir'] = nodedir

const named = process.argv.slice(2)
for (const arch of named.length > 0 ? named : [process.arch]) {
  if (!isFresh(arch)) await prebuild(arch)
}

/** @param {string} arch */
async function prebuild(arch) {
  if (!(arch in toolchains)) throw new Error(`no compiler is known for ${arch}`)
  const tools = arch === process.arch ? '' : (toolchains[arch] ?? '')
  // Debian's package: g++-aarch64-linux-gnu, g++-x86-64-linux-gnu.
  if (
    tools !== '' &&
    !ensurePackages(missingPackages({ [`${tools}g++`]: `g++-${tools.slice(0, -1).replace('_', '-')}` }))
  )
    process.exit(1)

  // prebuildify wipes the build folder that it works in, so it gets one of its own.
  const cwd = mkdtempSync(join(tmpdir(), 'node-kvm-prebuild-'))
  try {
    for (const path of ['package.json', ...sources]) cpSync(join(root, path), join(cwd, path), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(cwd, 'node_modules'))
    const glibc = join(cwd, 'glibc')
    mkdirSync(glibc)
    writeOldGlibc(glibc, `${tools}gcc`, LIMITS.GLIBC)
    const LDFLAGS = `-L${glibc} -static-libstdc++ -Wl,--gc-sections`
    Object.assign(process.env, { CC: `${tools}gcc`, CXX: `${tools}g++`, LDFLAGS })
    const targets = [process.versions.node]
    await promisify(prebuildify)({ cwd, out: root, arch, targets, napi: true, strip: true, stripBin: `${tools}strip` })
    const addon = addonPath(arch)
    const lacking = needsTooMuch(addon)
    if (lacking.length > 0) {
      rmSync(addon)
      throw new Error(`the addon for ${arch} needs what older systems lack: ${lacking.join(', ')}`)
    }
  } finally {
    rmSync(cwd, { recursive: true })
  }
}
