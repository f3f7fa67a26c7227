// What `node-kvm run` boots, and what it refuses to.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)
/** Writes 7 to the exit port: mov al, 7; out 0xf4, al */
const EXIT = Uint8Array.of(0xb0, 7, 0xe6, 0xf4)
const STATUS = (7 << 1) | 1
/** Writes the third byte of its own address to the exit port: mov esp, 0x8000; call 1f; 1: pop eax; shr eax, 16; out 0xf4, al */
const WHERE = Uint8Array.of(0xbc, 0, 0x80, 0, 0, 0xe8, 0, 0, 0, 0, 0x58, 0xc1, 0xe8, 16, 0xe6, 0xf4)
const STATUS_2 = (2 << 1) | 1

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-run-'))
  writeFileSync(path('sector'), EXIT)
  writeFileSync(path('where'), WHERE)
  writeFileSync(path('empty'), '')
  writeFileSync(path('packed'), gzipSync('a kernel'))
  writeFileSync(path('initrd'), '07070100000000')
  const rom = new Uint8Array(0x1_0000)
  rom.set([0xea, 0x5b, 0xe0, 0, 0xf0], 0xfff0)
  writeFileSync(path('rom'), rom)
  execFileSync('mkfifo', [path('fifo')])
  writeFileSync(path('elf-file'), '\x7fELF')
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

  test('a flat binary at an address, in a mode', () => {
    expect(run('--format', 'flat', '--address', '0x20000', '--mode', 'protected', path('where')).status).toBe(STATUS_2)
  })

  test('with success what the guest calls so', () => {
    const exits = (...args: string[]) => run('--format', 'flat', path('sector'), ...args).status
    expect([exits('--success', '7'), exits('--success', '0x07'), exits('--success', '0')]).toEqual([0, 0, STATUS])
  })

  test('a Multiboot kernel with modules', () => {
    const module = (text: string) => ['--module', text]
    const [a, b] = [module(`${path('sector')} a b`), module(path('sector'))]
    expect(run(path('multiboot'), ...a, ...b).status).toBe((2 << 1) | 1)
    expect(run(path('multiboot'), '--initrd', path('sector'), ...a, ...b).status).toBe((3 << 1) | 1)
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
    [['k', '--format', 'flat', '--append', 'x'], /a flat binary has no --append/],
    [['k', '--format', 'elf', '--initrd', 'x'], /an ELF image has no --initrd/],
    [['k', '--format', 'pvh', '--module', 'x'], /a Linux kernel has no --module/],
    [['k', '--address', '0x1000'], /--address is for a flat binary/],
    [['k', '--format', 'flat', '--address', 'x'], /'--address <address>' argument 'x' is invalid/],
    [['k', '--format', 'flat', '--mode', 'x'], /Allowed choices are real, protected, long/],
    [['--firmware', 'f', '--module', 'x'], /goes without --module/],
    [['k', '--module', ' '], /'--module <file and text>' argument ' ' is invalid/],
    [['k', '--cpus', '17'], /--cpus must be a whole number from 1 to 16, not 17/],
    [['k', '--cpus', '1.5'], /'--cpus <n>' argument '1.5' is invalid/],
    [['k', '--memory', '1'], /--memory must be .*, not 1 \(in bytes; 512M is 512 MiB\)/],
    [['k', '--memory', 'much'], /--memory must be a size in bytes, or one like '512M'/],
    [['k', '--timeout', '0'], /'--timeout <seconds>' argument '0' is invalid/],
    [['k', '--success', '-1'], /'--success <value>' argument '-1' is invalid/],
  ])('the options %j before it looks for a file', (args, message) => {
    const { status, stdout, stderr } = run(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })

  test('what is wrong with a file as JSON, with --json', () => {
    const { status, stderr } = run('--json', '--format', 'flat', path('missing'))
    expect(status).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({
      kind: 'error',
      code: 'ERR_KVM_BOOT_IMAGE',
      message: expect.stringContaining('there is no such file') as string,
      operands: { path: path('missing') },
    })
  })

  test.each([
    [['--firmware', 'sector'], /firmware: size: 4 bytes/],
    [['--firmware', '.'], /firmware .*: it is a directory/],
    [['--kernel', '.'], /kernel .*: it is a directory/],
    [['--kernel', 'missing'], /kernel .*missing/],
    [['--kernel', 'empty'], /kernel.*empty/],
    [['--kernel', 'fifo'], /kernel .*fifo: .*a FIFO/],
    [['--kernel', 'sector'], /kernel .*sector: .*no bzImage, ELF or Multiboot header; .*--format flat/],
    [['--kernel', 'packed'], /kernel .*packed: .*gzip-compressed: unpack it first, gzip -dc .*packed > kernel/],
    [['--kernel', 'initrd'], /kernel .*initrd: .*--initrd .*initrd/],
    [['--kernel', 'rom'], /kernel .*rom: .*it is firmware: --firmware .*rom/],
    [['--firmware', 'elf-file'], /firmware .*elf-file: it is a kernel: give it with --kernel/],
    [['--kernel', 'multiboot', '--initrd', 'missing'], /missing: .*no such file/],
    [['--kernel', 'multiboot', '--module', 'empty'], /empty: .*the file is empty/],
    [['--format', 'elf', '--kernel', 'sector'], /sector: ELF: e_ident at offset 0x0/],
    [['--format', 'multiboot2', '--kernel', 'multiboot'], /multiboot: .*multiboot2?/i],
    [['--format', 'flat', '--kernel', 'empty'], /the file is empty|empty/],
  ])('the files %j', (args, message) => {
    const { status, stdout, stderr } = run(
      ...args.map((arg) => (arg.startsWith('--') || /^(elf|flat|multiboot2)$/.test(arg) ? arg : path(arg))),
    )
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(message)
  })
})
