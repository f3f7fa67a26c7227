import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { CommandCode } from '../../lib/cli/command-code.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const built = new CommandCode(join(root, 'dist/cli'))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

// A copy, as far as --version and --help need it.
let copy = ''
let cli = ''
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'node-kvm-test-'))
  cli = join(copy, 'dist/cli')
  for (const path of ['package.json', 'dist/cli']) cpSync(join(root, path), join(copy, path), { recursive: true })
})
afterEach(() => {
  rmSync(copy, { recursive: true })
})

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}
const asEver = () => ({ status: 0, stdout: `${version}\n`, stderr: '' })

describe('the build', () => {
  test('compiles the command, and V8 takes that', () => {
    expect(built.compile(built.readCompiled()).cachedDataRejected).toBe(false)
  })

  test('compiles also what has not been called', () => {
    const called = built.compile().createCachedData()
    expect(built.readCompiled()?.length).toBeGreaterThan(2 * called.length)
  })
})

const whole = () => readFileSync(built.compiledPath)
const zeroed = (at: number) => {
  const start = Math.floor(whole().length * at)
  return Buffer.from(whole()).fill(0, start, start + 4096)
}
test.each<[string, () => Buffer | undefined]>([
  ['no', () => undefined],
  ['an empty', () => Buffer.alloc(0)],
  ['half a', () => whole().subarray(0, 1 << 16)],
  ["another version's", () => Buffer.concat([whole().subarray(0, 8), Buffer.alloc(16, 0x5a), whole().subarray(24)])],
  ...[0.1, 0.3, 0.5, 0.7, 0.9].map((at): [string, () => Buffer] => [`a (at ${at}) damaged`, () => zeroed(at)]),
])('with %s compiled form the command does the same', (_, content) => {
  const code = new CommandCode(cli)
  const bytes = content()
  rmSync(code.compiledPath)
  if (bytes !== undefined) writeFileSync(code.compiledPath, bytes)
  expect(code.readCompiled()).toBeUndefined()
  expect(run(join(cli, 'main.js'), '--version')).toEqual(asEver())
})

test('where the compiled form cannot be read or written, the command does the same, and the installation says so', () => {
  const { compiledPath } = new CommandCode(cli)
  rmSync(compiledPath)
  mkdirSync(compiledPath)
  const { status, stderr } = run(join(cli, 'compile.js'))
  expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('cannot be kept') as string })
  expect(run(join(cli, 'main.js'), '--version')).toEqual(asEver())
  expect(readdirSync(cli).filter((file) => file.includes('.compiled'))).toHaveLength(1)
})

test('code that has changed runs, be it as long as it was', () => {
  const path = join(cli, 'command.js')
  writeFileSync(path, readFileSync(path, 'utf8').replaceAll('is KVM usable here', 'IS KVM USABLE HERE'))
  expect(run(join(cli, 'main.js'), '--help').stdout).toContain('IS KVM USABLE HERE')
})

test('with other flags of V8 the command does the same', () => {
  expect(run('--no-opt', '--max-lazy', join(cli, 'main.js'), '--version')).toEqual(asEver())
})

test('it is compiled again where it is, for the Node that does it', () => {
  const code = new CommandCode(cli)
  rmSync(code.compiledPath)
  expect(run(join(cli, 'compile.js'))).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(code.compile(code.readCompiled()).cachedDataRejected).toBe(false)
})
