import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeDisk } from '../../../lib/disk/make-disk.js'
import { expectRejection } from '../../thrown.js'

let folder: string
const path = (name: string) => join(folder, name)
const debugfs = (disk: string, request: string) =>
  execFileSync('/usr/sbin/debugfs', ['-R', request, disk], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-make-disk-'))
  mkdirSync(path('content/etc'), { recursive: true })
  writeFileSync(path('content/etc/hostname'), 'guest\n')
  symlinkSync('etc/hostname', path('content/name'))
  execFileSync('tar', ['-C', path('content'), '-czf', path('content.tar.gz'), '.'])
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test.each(['content', 'content.tar.gz'])('from %s', async (from) => {
  const disk = path(`${from}.img`)
  await makeDisk(disk, { from: path(from), label: 'root' })
  execFileSync('/usr/sbin/e2fsck', ['-fn', disk])
  expect(debugfs(disk, 'cat /etc/hostname')).toBe('guest\n')
  expect(debugfs(disk, 'stat /name')).toMatch(/Fast link dest: "etc\/hostname"/)
  expect(debugfs(disk, 'stat /etc/hostname')).toMatch(/User: +0 +Group: +0/)
  expect(statSync(disk).size).toBe(32 << 20)
})

test('what does not fit leaves nothing behind', async () => {
  // Zeros would take no room.
  writeFileSync(path('content/large'), randomBytes(4 << 20))
  const error = await expectRejection(
    makeDisk(path('small.img'), { from: path('content'), size: 1 << 20 }),
    'ERR_KVM_DISK',
  )
  expect(error.message).toMatch(/small\.img.* cannot be made: .*(space|full|populat)/is)
  expect(existsSync(path('small.img'))).toBe(false)
  expect(readdirSync(folder).filter((name) => name.includes('unfinished'))).toEqual([])
})

test('what is not there, and what is no archive', async () => {
  await expectRejection(makeDisk(path('a'), { from: path('nothing') }), 'ERR_KVM_DISK')
  await expectRejection(makeDisk(path('a'), { from: path('content/etc/hostname') }), 'ERR_KVM_DISK')
  await expectRejection(makeDisk(path('a'), { from: path('content'), size: 1 }), 'ERR_KVM_INVALID_ARGUMENT')
  expect(existsSync(path('a'))).toBe(false)
})
