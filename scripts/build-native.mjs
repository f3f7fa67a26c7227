// @ts-check
// Compiles the addon into build/Release, or what changed of it since the last time.
//   node scripts/build-native.mjs                     part of `npm run build`
//   node scripts/build-native.mjs --unless-prebuilt   the package's install script, which does nothing in a checkout: there
//                                                     may be no compiler yet, and who builds looks for one first
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { nodedir } from './node-headers.mjs'
import { groups, installLine, missingPackages } from './system-packages.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const installing = process.argv.includes('--unless-prebuilt')
const isCheckout = existsSync('tsconfig.json')
if (!(installing && (isCheckout || isPrebuilt()))) {
  const compiled = compile()
  if (!compiled && installing) console.error(help())
  process.exitCode = compiled ? 0 : 1
}

/** Whether the addon that the package brought along works here. */
function isPrebuilt() {
  if (process.env['npm_config_build_from_source'] === 'true') return false
  try {
    createRequire(import.meta.url)(`../prebuilds/linux-${process.arch}/node-kvm.node`)
  } catch {
    return false
  }
  // A compiled one would go before it, and may come from another machine.
  rmSync('build/Release', { recursive: true, force: true })
  return true
}

function compile() {
  // A new or a removed source changes the folder's time; binding.gyp lists the sources only when it is read.
  const configure = installing || ['binding.gyp', 'native'].some((path) => modified(path) > modified('build/Makefile'))
  const args = [...(configure ? ['configure'] : []), 'build', '--loglevel=warn', `--jobs=${availableParallelism()}`]
  if (nodedir) args.push(`--nodedir=${nodedir}`)

  // npm puts a node-gyp on PATH for every script, and with `-s` a level of messages at which it keeps its errors to itself.
  const env = { ...process.env, npm_config_loglevel: 'warn' }
  const { stdout, status, error } = spawnSync('node-gyp', args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (error) {
    console.error(`node-gyp could not be started (${error.message}); run this by npm: npm run build`)
    return false
  }
  // make always has something to say; it is news only when it compiled or failed.
  if (status !== 0 || /^ {2}(CXX|SOLINK)/m.test(stdout)) process.stdout.write(stdout)
  return status === 0
}

/** @param {string} path */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function help() {
  const { ld: _, ...needed } = groups['build'] ?? {}
  const missing = missingPackages(needed)
  const advice =
    missing.length === 0
      ? 'The reason is above.'
      : `Install what is missing, then node-kvm again:\n\n  ${installLine(missing)}`
  return `
node-kvm: there is no prebuilt addon for ${process.platform}-${process.arch}, and compiling it failed.
Compiling needs a C++20 compiler, make, Python 3 and the kernel's headers. ${advice}
`
}
