// Runs the script with a PATH on which little is, and with an apt-get that only says what it was asked for.
import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

const folder = mkdtempSync(join(tmpdir(), 'node-kvm-packages-'))
afterAll(() => rmSync(folder, { recursive: true }))
chmodSync(folder, 0o755)
const script = join(folder, 'system-packages.mjs')
cpSync(fileURLToPath(new URL('../../../scripts/system-packages.mjs', import.meta.url)), script)

const ASKED = '#!/bin/sh\necho "$(basename "$0")" "$@" >&2\n'
const PASSES_ON = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'
const REFUSES = '#!/bin/sh\nexit 1\n'
/** For those who are not root; the tests may run as root. */
const NOBODY = 65534
const isRoot = process.getuid?.() === 0

/** A machine on which only these programs are. */
function machine(name: string, programs: Record<string, string>) {
  const bin = join(folder, name)
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  for (const tool of ['sh', 'env', 'true', 'basename']) symlinkSync(`/usr/bin/${tool}`, join(bin, tool))
  for (const [program, text] of Object.entries(programs)) writeFileSync(join(bin, program), text, { mode: 0o755 })
  return (...groups: string[]) =>
    (user: 'root' | 'user') => {
      const ids = user === 'user' && isRoot ? { uid: NOBODY, gid: NOBODY } : {}
      const { status, stderr } = spawnSync(process.execPath, [script, ...groups], {
        env: { PATH: bin },
        encoding: 'utf8',
        ...ids,
      })
      return { status, stderr }
    }
}

const TOOLS = 'g++ make python3 binutils'

describe('a user who may not install', () => {
  test.each<[string, Record<string, string>, string]>([
    [
      'with sudo, which asks for a password',
      { 'apt-get': ASKED, sudo: REFUSES },
      `sudo apt-get update && sudo apt-get install -y --no-install-recommends ${TOOLS}`,
    ],
    [
      'without sudo',
      { 'apt-get': ASKED },
      `su -c 'apt-get update && apt-get install -y --no-install-recommends ${TOOLS}'`,
    ],
    ['on Fedora', { dnf: ASKED, sudo: PASSES_ON }, 'sudo dnf install gcc-c++ make python3 binutils'],
    ['on Arch', { pacman: ASKED, sudo: PASSES_ON }, 'sudo pacman -Syu --needed gcc make python binutils'],
    ['on Alpine', { apk: ASKED }, `su -c 'apk add ${TOOLS}'`],
    ['elsewhere', {}, `(what this system calls the Debian packages ${TOOLS})`],
  ])('%s gets the line to type, and status 1', (name, programs, line) => {
    const { status, stderr } = machine(name, programs)('build')('user')
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `Missing: g++, make, python3, binutils. Install them, and run the command again:\n\n  ${line}\n\n`,
    })
  })
})

describe('who may install', () => {
  test('by sudo without a password: sees what is missing, and apt-get at work', () => {
    const { status, stderr } = machine('sudo', { 'apt-get': ASKED, sudo: PASSES_ON })('build')('user')
    expect(status).toBe(0)
    expect(stderr).toMatch(/^── Missing: g\+\+, make, python3, binutils\. Installing them with sudo apt-get\n/)
    expect(stderr).toMatch(
      /^apt-get .* update\napt-get .* install -y --no-install-recommends g\+\+ make python3 binutils$/m,
    )
  })

  test.runIf(isRoot)('as root, and a failure shows how to go on by hand', () => {
    const { status, stderr } = machine('root', { 'apt-get': `${ASKED}exit 100\n` })('build')('root')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /^apt-get .* update\n\napt-get failed, see above\. By hand, that is:\n\n {2}apt-get update && /m,
    )
  })
})

test('nothing is said where nothing is missing', () => {
  const tools = Object.fromEntries(['g++', 'make', 'python3', 'ld'].map((tool) => [tool, ASKED]))
  expect(machine('complete', tools)('build')('user')).toEqual({ status: 0, stderr: '' })
})

test('an unknown group is a wrong usage', () => {
  const { status, stderr } = machine('usage', {})('biuld')('user')
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: 'usage: node scripts/system-packages.mjs arm64|build|check ...\n',
  })
})
