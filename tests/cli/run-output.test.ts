// What `node-kvm run` prints, and readers that take it slowly, late, or not at all.
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { program, runCli, runCliWith } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)
const GUESTS = {
  /** Writes A to the first serial line, for ever: mov dx, 0x3f8; mov al, 'A'; next: out dx, al; jmp next */
  flood: [0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xeb, 0xfd],
  /** Writes to a port that has no device, and reads it, for ever: next: out 0x99, al; in al, 0x99; jmp next */
  accesses: [0xe6, 0x99, 0xe4, 0x99, 0xeb, 0xfa],
  /** Prints A, looks for what is typed, prints B, and writes 7 to the exit port. */
  prints: [
    ...[0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xba, 0xfd, 0x03, 0xec],
    ...[0xba, 0xf8, 0x03, 0xb0, 0x42, 0xee, 0xb0, 7, 0xe6, 0xf4],
  ],
}
const EXIT_STATUS = 15
const flat = (name: keyof typeof GUESTS, ...options: string[]) => ['--format', 'flat', path(name), ...options]

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-output-'))
  for (const [name, code] of Object.entries(GUESTS)) writeFileSync(path(name), Uint8Array.from(code))
  writeFileSync(path('rom'), floodingFirmware())
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Firmware that writes its first 4 KiB to its log for ever. */
function floodingFirmware(): Uint8Array {
  const rom = new Uint8Array(0x1_0000).fill(0x90)
  // mov dx, 0x402; push cs; pop ds; again: mov cx, 0x1000; cld; xor si, si; rep outsb; jmp again
  rom.set([0xba, 0x02, 0x04, 0x0e, 0x1f, 0xb9, 0, 0x10, 0xfc, 0x31, 0xf6, 0xf3, 0x6e, 0xeb, 0xf6])
  for (let at = 0x20; at < 0x1000; at++) rom[at] = 0x41 + (at % 26)
  rom.set([0xea, 0, 0, 0, 0xf0], 0xfff0) // jmp 0xf000:0
  return rom
}

type Stdio = 'pipe' | number

interface RunSettings {
  /** Pipes are not read before so many milliseconds have passed. */
  pause?: number
  stdout?: Stdio
  stderr?: Stdio
}

async function run(args: string[], settings: RunSettings = {}) {
  const { pause = 0, stdout: out = 'pipe', stderr: err = 'pipe' } = settings
  const child = spawn(process.execPath, [program, 'run', ...args], { stdio: ['ignore', out, err] })
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  await new Promise((resolve) => setTimeout(resolve, pause))
  const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []]
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  const status = await closed
  return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() }
}

/** What a shell prints that runs `script`, in which "$@" is the command. */
async function runInShell(script: string, args: string[]): Promise<string> {
  const words = [process.execPath, program, 'run', ...args]
  const child = spawn('sh', ['-c', script, 'sh', ...words], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await new Promise((resolve) => child.on('close', resolve))
  return text
}

describe('a reader that pauses', () => {
  test("gets the firmware's log in order", async () => {
    const { status, stdout } = await run(['--firmware', path('rom'), '--timeout', '2'], { pause: 1500 })
    expect(status).toBe(124)
    expect(stdout.length).toBeGreaterThan(4096)
    const block = floodingFirmware().subarray(0, 4096)
    const blocks = Buffer.concat(Array.from({ length: Math.ceil(stdout.length / 4096) }, () => block))
    expect(stdout.equals(blocks.subarray(0, stdout.length))).toBe(true)
  })

  test('of a trace does not end the guest', async () => {
    const script = '("$@" 2>&1; echo "status $?") | (sleep 3; tail -n 1)'
    const args = flat('accesses', '--timeout', '1', '--trace-exits')
    expect(await runInShell(script, args)).toBe('status 124\n')
  })

  test('for good keeps the time limit from nothing, and what was lost is counted', async () => {
    const script = '{ "$@" 2>said; echo $? >status; } | sleep 8; cat status said'
    const text = await runInShell(script, ['--firmware', path('rom'), '--timeout', '3', '--json'])
    const [status, said = ''] = text.split('\n')
    expect(status).toBe('124')
    const { kind, dropped } = JSON.parse(said) as { kind: string; dropped: { bytes: number; lines: number } }
    expect({ kind, lines: dropped.lines }).toEqual({ kind: 'timeout', lines: 0 })
    expect(dropped.bytes).toBeGreaterThan(0)
  })
})

describe('a disk that is full is an error', () => {
  async function runIntoFull(args: string[], which: 'stdout' | 'stderr') {
    const full = openSync('/dev/full', 'w')
    try {
      return await run(args, { [which]: full })
    } finally {
      closeSync(full)
    }
  }

  test('on standard output', async () => {
    const { status, stderr } = await runIntoFull(flat('prints'), 'stdout')
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'node-kvm: standard output: the disk is full (ENOSPC)\n' })
  })

  test('and ends a guest that prints', async () => {
    const { status } = await runIntoFull(flat('flood'), 'stdout')
    expect(status).toBe(1)
  })

  test('on standard error', async () => {
    const { status, stdout } = await runIntoFull(flat('prints'), 'stderr')
    expect({ status, stdout: stdout.toString() }).toEqual({ status: 1, stdout: 'AB' })
  })

  test('of a trace', () => {
    const { status, stderr } = runCli('run', ...flat('prints', '--trace-file', '/dev/full'))
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'node-kvm: trace file /dev/full: the disk is full (ENOSPC)\n',
    })
  })

  test.each([[['doctor', '--json']], [['example']], [['--help']], [['--version']]])('of %j', (args) => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = runCliWith({ stdout: full }, ...args)
    closeSync(full)
    expect({ status, stderr }).toMatchObject({ status: 1 })
    expect(stderr).toContain('standard output: the disk is full')
  })
})

describe('a trace', () => {
  const OUT = /^vcpu 0: io out port 0xf4 size 1 count 1 data 07$/m

  test('goes to standard error, the guest to standard output', async () => {
    const { status, stdout, stderr } = await run(flat('prints', '--trace-exits'))
    expect({ status, stdout: stdout.toString() }).toEqual({ status: EXIT_STATUS, stdout: 'AB' })
    expect(stderr).toMatch(OUT)
  })

  test('or to a file', () => {
    const { status, stdout, stderr } = runCli('run', ...flat('prints', '--trace-file', path('trace')))
    expect({ status, stdout }).toEqual({ status: EXIT_STATUS, stdout: 'AB' })
    expect(stderr).toMatch(/^\nnode-kvm: the guest ended with code 15 .*\n$/)
    expect(readFileSync(path('trace'), 'utf8')).toMatch(OUT)
  })

  test('has its lines to itself where both go to the same', async () => {
    const text = await runInShell('"$@" 2>&1', flat('prints', '--trace-exits'))
    const others = text
      .split('\n')
      .filter((line) => !/^vcpu 0: io (in|out) port 0x[\da-f]+ size 1 count 1( data .*)?$/.test(line))
    expect(others.join('')).toMatch(/^ABnode-kvm: the guest ended with code 15 \([^)]*\)$/)
    expect(text).toMatch(OUT)
  })

  test('to a file that cannot be written is said before the guest runs', () => {
    const { status, stdout, stderr } = runCli('run', ...flat('prints', '--trace-file', path('none/trace')))
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/^node-kvm: trace file .*: ENOENT/)
  })
})
