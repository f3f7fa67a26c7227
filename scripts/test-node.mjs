// @ts-check
// Runs the tests under another version of Node, which the registry gives; the addon stays as it was built, as a user's does.
//   npm run test:node -- 24 [VITEST ARGUMENTS...]
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [version = '', ...vitest] = process.argv.slice(2)
if (!/^\d+(\.\d+\.\d+)?$/.test(version)) {
  console.error('usage: npm run test:node -- VERSION [vitest arguments...], for example 24')
  process.exit(2)
}

const folder = join(root, 'build/node', version)
const bin = join(folder, `node_modules/node-linux-${process.arch}/bin`)
if (!existsSync(join(bin, 'node'))) {
  const install = ['install', '--silent', '--no-audit', '--no-fund', '--no-save', '--prefix', folder]
  run('npm', [...install, `node-linux-${process.arch}@${version}`])
}
process.env['PATH'] = `${bin}${delimiter}${process.env['PATH'] ?? ''}`
run('node', ['-p', '`Node ${process.version}`'])
run('node', [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...vitest])

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}
