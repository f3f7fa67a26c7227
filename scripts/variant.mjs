// @ts-check
// Builds a developers' variant of the addon with CMake into build/VARIANT/node_kvm.node, and runs a command that loads it:
//   node scripts/variant.mjs default|asan|tsan [command ...]
import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodedir } from './node-headers.mjs'

/**
 * What a command needs in its environment beside the addon. Node itself has no sanitizer in it, so the runtime is preloaded.
 * Leaks are not looked for: V8 frees little at exit. The quarantine is small, so that tests of memory use hold here too.
 * @type {Record<string, { preload?: string[], env?: Record<string, string> }>}
 */
const variants = {
  default: {},
  asan: {
    preload: ['libasan.so', 'libubsan.so'],
    env: { ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:quarantine_size_mb=8', UBSAN_OPTIONS: 'print_stacktrace=1' },
  },
  tsan: { preload: ['libtsan.so'], env: { TSAN_OPTIONS: 'halt_on_error=1:ignore_noninstrumented_modules=1' } },
}

const root = fileURLToPath(new URL('..', import.meta.url))
const [name = '', command, ...args] = process.argv.slice(2)
const variant = variants[name]
if (variant) {
  process.exitCode = build() || (command ? run(command) : 0)
} else {
  console.error(`usage: node scripts/variant.mjs ${Object.keys(variants).join('|')} [command ...]`)
  process.exitCode = 2
}

function build() {
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js')
  const options = [
    '--directory=native',
    `--out=build/${name}`,
    `--CDVARIANT=${name}`,
    '--prefer-make',
    '--parallel=2',
    '--log-level=error',
  ]
  const env = nodedir ? { ...process.env, npm_config_nodedir: nodedir } : process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [cmakeJs, 'build', ...options], {
    cwd: root,
    env,
    encoding: 'utf8',
  })
  if (status !== 0) process.stderr.write(stdout + stderr)
  return status ?? 1
}

/** @param {string} program */
function run(program) {
  const env = { ...process.env, ...variant?.env, NODE_KVM_ADDON: join(root, 'build', name, 'node_kvm.node') }
  const libraries = variant?.preload?.map((file) =>
    execFileSync('g++', [`-print-file-name=${file}`], { encoding: 'utf8' }).trim(),
  )
  if (libraries) Object.assign(env, { LD_PRELOAD: libraries.join(' ') })
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env })
  if (error) process.stderr.write(`${program}: ${error.message}\n`)
  return status ?? 1
}
