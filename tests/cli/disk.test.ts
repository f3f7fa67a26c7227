// `node-kvm disk`
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { program, runCli } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-disk-'))
  mkdirSync(path('content'))
  writeFileSync(path('content/hello'), 'hello\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

test('makes a disk of that size', () => {
  const { status, stdout, stderr } = runCli('disk', path('disk'), '--from', path('content'), '--size', '3M')
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  expect(statSync(path('disk')).size).toBe(3 << 20)
})

test('somebody without rights makes one from what belongs to others, and has device nodes', () => {
  const NOBODY = 65_534
  mkdirSync(path('own'))
  const archive = path('system.tar')
  execFileSync('tar', [
    '--create',
    '--file',
    archive,
    '--owner=1',
    '--group=42',
    '-C',
    folder,
    'content',
    '-C',
    '/',
    'dev/null',
  ])
  // Who may yet read the checkout, wherever it lies: root's home is often closed.
  const capabilities = ['inh-caps', 'ambient-caps', 'bounding-set'].map((set) => `--${set}=-all,+dac_read_search`)
  const user = ['setpriv', '--reuid', `${NOBODY}`, '--clear-groups', ...capabilities]
  const isRoot = process.getuid?.() === 0
  chmodSync(folder, 0o755)
  if (isRoot) chownSync(path('own'), NOBODY, NOBODY)
  const [file, ...args] = [
    ...(isRoot ? user : []),
    process.execPath,
    program,
    'disk',
    path('own/disk'),
    '--from',
    archive,
  ]
  const { status, stderr } = spawnSync(file, args, { encoding: 'utf8' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const stat = execFileSync('/usr/sbin/debugfs', ['-R', 'stat /content/hello', path('own/disk')], {
    encoding: 'utf8',
    stdio: 'pipe',
  })
  expect(stat).toMatch(/User: +0 +Group: +0/)
})

test('says what is wrong', () => {
  const { status, stderr } = runCli('disk', path('none'), '--from', path('nothing'))
  expect(status).toBe(1)
  expect(stderr).toMatch(/cannot be made from .*nothing: ENOENT/)
  expect(existsSync(path('none'))).toBe(false)
})

test.each([
  [['disk', '--from', '.'], /missing required argument/],
  [['disk', 'file'], /required option '--from/],
  [['disk', 'file', '--from', '.', '--size', 'large'], /It must be a size/],
  [['disk', 'file', '--from', '.', '--type', 'xfs'], /Allowed choices are ext2, ext3, ext4/],
])('%j', (args, message) => {
  const { status, stderr } = runCli(...args)
  expect(stderr).toMatch(message)
  expect(status).toBe(2)
})
