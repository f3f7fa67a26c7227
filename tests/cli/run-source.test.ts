// What `node-kvm run` boots, and what it refuses to.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)
/** Writes 7 to the exit port: mov al, 7; out 0xf4, al */
const EXIT = Uint8Array.of(0xb0, 7, 0xe6, 0xf4)
const STATUS = (7 << 1) | 1

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-run-'))
  writeFileSync(path('sector'), EXIT)
  writeFileSync(path('empty'), '')
  writeFileSync(path('multiboot'), multiboot())
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Multiboot 0.6.96, 3.1: a header with addresses, and code that ends with the number of modules. */
function multiboot(): Uint8Array {
  const LOAD = 0x10_0000
  const HEADER_SIZE = 32
  const FLAGS = 0x1_0000 // the addresses below count
  const header = new Uint32Array([
    ...[0x1bad_b002, FLAGS, 0x1_0000_0000 - 0x1bad_b002 - FLAGS],
    ...[LOAD, LOAD, 0, 0, LOAD + HEADER_SIZE],
  ])
  // mov eax, [ebx + 20]; out 0xf4, al
  return Buffer.concat([new Uint8Array(header.buffer), Uint8Array.of(0x8b, 0x43, 20, 0xe6, 0xf4)])
}

const run = (...args: string[]) => runCli('run', ...args)

describe('boots', () => {
  test('a boot sector', () => {
    expect(run('--format', 'flat', path('sector')).status).toBe(STATUS)
  })

  test('and tells, with --json, how it ended and what the vCPUs did', () => {
    const { stderr } = run('--format', 'flat', '--cpus', '2', '--json', path('sector'))
    expect(JSON.parse(stderr)).toMatchObject({
      kind: 'exit',
      value: 7,
      vcpus: [{ id: 0, exits: { io: 1 } }, { id: 1 }],
    })
  })

  test('a Multiboot kernel by its header, with the initial RAM disk as its module', () => {
    expect(run(path('multiboot')).status).toBe(1)
    expect(run(path('multiboot'), '--initrd', path('sector'), '--append', 'x').status).toBe(3)
  })
})

describe('refuses', () => {
  test.each([
    [[], /which kernel\?/],
    [['a', '--kernel', 'b'], /two kernels/],
    [['--firmware', 'f', 'k'], /goes without a kernel/],
    [['--firmware', 'f', '--append', 'x'], /goes without --append/],
    [['--firmware', 'f', '--initrd', 'x'], /goes without --initrd/],
    [['--firmware', 'f', '--format', 'elf'], /goes without --format/],
    [['k', '--format', 'nonsense'], /Allowed choices are auto, bzimage/],
    [['k', '--format', 'flat', '--append', 'x'], /a flat binary has no/],
  ])('the options %j', (args, message) => {
    const { status, stdout, stderr } = run(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })

  test.each([
    [['--firmware', 'sector'], /firmware: size: 4 bytes/],
    [['--firmware', '.'], /firmware .*: it is a directory/],
    [['--kernel', '.'], /kernel .*: it is a directory/],
    [['--kernel', 'missing'], /kernel .*missing/],
    [['--kernel', 'empty'], /kernel.*empty/],
    [['--kernel', 'sector'], /no bzImage, ELF or Multiboot header/],
    [['--format', 'elf', '--kernel', 'sector'], /ELF: e_ident at offset 0x0/],
    [['--format', 'multiboot2', '--kernel', 'multiboot'], /multiboot2?/i],
    [['--format', 'flat', '--kernel', 'empty'], /the file is empty|empty/],
  ])('the files %j', (args, message) => {
    const { status, stdout, stderr } = run(
      ...args.map((arg) => (arg.startsWith('--') || /^(elf|flat|multiboot2)$/.test(arg) ? arg : path(arg))),
    )
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(message)
  })
})
