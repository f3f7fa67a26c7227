import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileCommand, compiledPath } from '../../lib/cli/compiled.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const built = join(root, 'dist/cli')

// A copy, as far as --version and --help need it.
let copy = ''
const cli = () => join(copy, 'dist/cli')
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'node-kvm-test-'))
  for (const path of ['package.json', 'dist/cli']) cpSync(join(root, path), join(copy, path), { recursive: true })
})
afterAll(() => {
  rmSync(copy, { recursive: true })
})

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the build compiles the command, and V8 takes that', () => {
  const compiled = readFileSync(compiledPath(built))
  expect(compileCommand(built, compiled).cachedDataRejected).toBe(false)
})

test('it holds the functions that have not been called yet', () => {
  const withoutCalls = compileCommand(built).createCachedData()
  expect(readFileSync(compiledPath(built)).length).toBeGreaterThan(2 * withoutCalls.length)
})

const whole = () => readFileSync(compiledPath(built))
test.each<[string, () => Buffer | undefined]>([
  ['no', () => undefined],
  ['an empty', () => Buffer.alloc(0)],
  ['half a', () => whole().subarray(0, whole().length / 2)],
  ["another version's", () => Buffer.concat([Buffer.alloc(16, 0x5a), whole().subarray(16)])],
])('with %s compiled form the command does the same', (_, content) => {
  const bytes = content()
  rmSync(compiledPath(cli()), { force: true })
  if (bytes !== undefined) writeFileSync(compiledPath(cli()), bytes)
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  expect(run(join(cli(), 'main.cjs'), '--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
})

test('with other flags of V8 the command does the same', () => {
  writeFileSync(compiledPath(cli()), whole())
  const { status, stdout, stderr } = run('--no-opt', '--max-lazy', join(cli(), 'main.cjs'), '--help')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toContain('node-kvm doctor')
})

test('it is compiled again where it is, for the Node that does it', () => {
  rmSync(compiledPath(cli()), { force: true })
  expect(run(join(cli(), 'compile.cjs'))).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(compileCommand(cli(), readFileSync(compiledPath(cli()))).cachedDataRejected).toBe(false)
})
