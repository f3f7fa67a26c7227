// @ts-check
// `npm run check`: everything that is held beside the tests, two checks at a time, and a table of how they went.
//   npm run check -- NAME ...     only these
import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const parent = dirname(root.replace(/\/$/, ''))

/** Shell commands. The slow ones come first. @type {Record<string, string>} */
const checks = {
  'clang-tidy':
    'node scripts/variant.mjs default && ls native/*.cc | xargs -P 2 -n 1 clang-tidy -p build/default --quiet 2> build/tidy.log' +
    ' || { grep -v generated build/tidy.log; exit 1; }',
  model: 'node scripts/model.mjs',
  arm64: 'CXXFLAGS=-Werror node scripts/prebuild.mjs arm64',
  coverage: 'node scripts/coverage.mjs --check',
  uapi: 'node scripts/uapi/main.mjs --check',
  lint: 'eslint --max-warnings 0 .',
  types: 'tsc -b . examples tests scripts',
  docs: 'typedoc --logLevel Warn',
  unused: 'knip',
  format: 'prettier --check --log-level warn .',
  imports: 'depcruise --config scripts/import-direction.mjs lib examples && node scripts/imports.mjs --check',
  'clang-format': `git ls-files '*.cc' '*.h' '*.c' | xargs clang-format --dry-run -Werror`,
  acpi: 'node scripts/check-acpi.mjs',
  package:
    'npm pack --silent --ignore-scripts --pack-destination build > build/tarball.txt && ' +
    'publint run --strict "build/$(cat build/tarball.txt)" && attw --profile esm-only "build/$(cat build/tarball.txt)"',
  // A path of the machine that somebody works on means nothing to anybody else.
  paths: `! git grep -nE '/(home|Users)/[a-z]${parent === '/' ? '' : `|${parent}/`}' -- .`,
}

const named = process.argv.slice(2)
const unknown = named.filter((name) => !(name in checks))
if (unknown.length > 0) {
  console.error(`no check is called ${unknown.join(', ')}; there are: ${Object.keys(checks).join(', ')}`)
  process.exit(2)
}
for (const step of ['node scripts/system-packages.mjs check', 'npm run -s build']) {
  if (spawnSync(step, { cwd: root, shell: true, stdio: 'inherit' }).status !== 0) process.exit(1)
}

const waiting = Object.entries(checks).filter(([name]) => named.length === 0 || named.includes(name))
/** @type {{ name: string, passed: boolean, seconds: string }[]} */
const results = []
await Promise.all(Array.from({ length: availableParallelism() }, work))

console.log(
  `\n${results.map(({ name, passed, seconds }) => `${passed ? '✓' : '✗'} ${name.padEnd(18)}${seconds} s`).join('\n')}`,
)
const failed = results.filter(({ passed }) => !passed).map(({ name }) => name)
console.log(failed.length === 0 ? '\nAll checks passed.' : `\nFailed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

async function work() {
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const [name, command] = next
    const start = performance.now()
    const { passed, output } = await run(command)
    results.push({ name, passed, seconds: ((performance.now() - start) / 1000).toFixed(1).padStart(6) })
    if (!passed) console.log(`\n── ${name}: ${command}\n${shorten(output.trimEnd(), name)}`)
  }
}

/** @param {string} output @param {string} name */
function shorten(output, name) {
  const lines = output.split('\n')
  const most = named.length === 0 ? 60 : Infinity
  if (lines.length <= most) return output
  return [...lines.slice(0, most), `… and ${lines.length - most} lines more: npm run check -- ${name}`].join('\n')
}

/**
 * @param {string} command
 * @returns {Promise<{ passed: boolean, output: string }>}
 */
function run(command) {
  return new Promise((resolve) => {
    const child = spawn(command, { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => (output += text))
    }
    child.on('close', (code) => resolve({ passed: code === 0, output }))
  })
}
