// The virtio devices of `node-kvm run`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)
/** Where the first virtio device of MMIO is. */
const FIRST = 0xd000_0000
/** Ends with its register DeviceID: mov esi, FIRST; mov eax, [esi + 8]; out 0xf4, al */
const MMIO_ID = Uint8Array.of(0xbe, ...le32(FIRST), 0x8b, 0x46, 8, 0xe6, 0xf4)
/** Ends with the third byte of PCI function 00:01.0: mov eax, 0x80000800; mov dx, 0xcf8; out dx, eax; mov dl, 0xfe; in al, dx; out 0xf4, al */
const PCI_ID = Uint8Array.of(0xb8, ...le32(0x8000_0800), 0x66, 0xba, 0xf8, 0x0c, 0xef, 0xb2, 0xfe, 0xec, 0xe6, 0xf4)

function le32(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-devices-'))
  writeFileSync(path('guest'), MMIO_ID)
  writeFileSync(path('pci-guest'), PCI_ID)
  writeFileSync(path('disk,one'), new Uint8Array(1024))
})
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...args: string[]) =>
  runCli('run', '--format', 'flat', '--mode', 'protected', '--address', '0x1000', ...args)

describe('the guest finds', () => {
  test('a disk, whose name has a comma', () => {
    expect(run('--disk', path('disk,,one'), path('guest')).status).toBe((2 << 1) | 1)
  })

  test('an entropy device', () => {
    expect(run('--rng', path('guest')).status).toBe((4 << 1) | 1)
  })
})

test('with --console virtio, a console instead of a serial line', () => {
  expect(run('--console', 'virtio', path('guest')).status).toBe((3 << 1) | 1)
  expect(run('--console', 'virtio', '--virtio', 'pci', path('pci-guest')).status).toBe((0x43 << 1) | 1)
  const { status, stderr } = run('--console', 'vga', path('guest'))
  expect(stderr).toMatch(/serial, virtio/)
  expect(status).toBe(2)
})

test('on PCI, where it is asked for', () => {
  expect(run('--rng', '--virtio', 'pci', path('pci-guest')).status).toBe((0x44 << 1) | 1)
})

test('a network card', () => {
  expect(run('--net', 'none,mac=52:54:00:00:00:01', path('guest')).status).toBe((1 << 1) | 1)
})

test.each([
  ['', /begins with a name/],
  ['bridge', /It is tap, tap=NAME or none/],
  ['tap=', /It is tap, tap=NAME or none/],
  ['none,mac=1', /An address is like/],
  ['none,id=1', /has no 'id'; it has mac, vhost/],
  ['none,vhost', /vhost is for a tap/],
  ['tap,vhost=yes', /'vhost' has no value/],
])('refused: --net %s', (text, message) => {
  const { status, stderr } = run('--net', text, path('no-guest'))
  expect(stderr).toMatch(message)
  expect(status).toBe(2)
})

describe('refused before anything is read', () => {
  test.each([
    ['', /begins with a name/],
    ['file,writable', /has no 'writable'; it has readonly, format, backing, id/],
    ['file,readonly,readonly', /says 'readonly' twice/],
    ['file,readonly=yes', /'readonly' has no value/],
    ['file,id', /'id' wants a value/],
    ['file,format=vmdk', /The format is one of raw/],
  ])('--disk %s', (text, message) => {
    const { status, stderr } = run('--disk', text, path('no-guest'))
    expect(stderr).toMatch(message)
    expect(status).toBe(2)
  })
})

test('a disk that is not there', () => {
  const { status, stderr } = run('--disk', path('nothing'), path('guest'))
  expect(stderr).toMatch(/the disk .*nothing.* cannot be opened/)
  expect(status).toBe(1)
})

test('an image is opened as one where that is said, and not otherwise', () => {
  const { status, stderr } = run('--disk', `${path('disk,,one')},format=qcow2`, path('guest'))
  expect(stderr).toMatch(/disk,one.* is no good qcow2 image/)
  expect(status).toBe(1)
})
