// `node-kvm disk`
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

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
