// What `node-kvm run` prints when its guest dies.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { PostMortem } from 'node-kvm/inspect'
import { afterAll, describe, expect, test } from 'vitest'

import { elf, note, PHYS32_ENTRY, PT_NOTE, uint32 } from '../unit/boot/images.js'
import { runCli, runCliWith } from './run-cli.js'

const folder = mkdtempSync(join(tmpdir(), 'node-kvm-post-mortem-'))
afterAll(() => {
  rmSync(folder, { recursive: true })
})
const file = (name: string, content: Uint8Array | string) => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const ENTRY = 0x10_0000

/** A kernel that is entered by PVH: it prints an x on the serial line and goes on with this 32-bit code. */
function kernel(name: string, code: number[]): string {
  // mov esp, 0x80000; xor ebp, ebp; mov edx, 0x3f8; mov al, 'x'; out dx, al
  const start = [0xbc, 0, 0, 8, 0, 0x31, 0xed, 0xba, 0xf8, 3, 0, 0, 0xb0, 0x78, 0xee]
  const content = Uint8Array.from([...start, ...code])
  const entryNote = { type: PT_NOTE, content: note('Xen', PHYS32_ENTRY, uint32(ENTRY)), align: 4 }
  return file(name, elf([{ content, paddr: ENTRY }, entryNote], { entry: ENTRY }))
}
// call 1f; hlt; 1: mov edx, 0x505; mov al, 1; out dx, al; hlt
const panicking = kernel('panics', [0xe8, 1, 0, 0, 0, 0xf4, 0xba, 5, 5, 0, 0, 0xb0, 1, 0xee, 0xf4])
const spinning = kernel('spins', [0xeb, 0xfe])
// push 0; push 0; lidt [esp]; ud2: nothing handles it
const faulting = kernel('faults', [0x6a, 0, 0x6a, 0, 0x0f, 0x01, 0x1c, 0x24, 0x0f, 0x0b])
const exiting = kernel('exits', [0xb0, 0, 0xe6, 0xf4])
const systemMap = file('System.map', '0000000000100000 T start\n0000000000100015 T panic\n000000000010001f D data\n')

const run = (...args: string[]) => runCli('run', ...args)

describe('node-kvm run', () => {
  test('a panic: registers, code, calls by name, exits and console on standard error', () => {
    const { status, stdout, stderr } = run(panicking, '--symbols', systemMap)
    expect({ status, stdout }).toEqual({ status: 4, stdout: 'x' })
    expect(stderr).toMatch(/^\nnode-kvm: the guest's kernel panicked \(vCPU 0 at 0x10001d\)\n/)
    expect(stderr).toMatch(/^ {2}-> 0x10001d panic\+0x8 .* hlt$/m)
    expect(stderr).toMatch(/^ {2}stack:\n {6}0x10001d panic\+0x8\n {4}\? 0x100014 start\+0x14$/m)
    expect(stderr).toMatch(/^ {2}vCPU 0: io out port 0x505 size 1 count 1 data 01$/m)
    expect(stderr).toMatch(/^ {2}\| x$/m)
  })

  test('--json has it, too', () => {
    const { status, stderr } = run(panicking, '--json')
    const outcome = JSON.parse(stderr) as { kind: string; postMortem: PostMortem }
    expect([status, outcome.kind, outcome.postMortem.outcome]).toEqual([4, 'panic', 'panic'])
    expect(outcome.postMortem).toMatchObject({ vcpu: 0, console: ['x'], vcpus: [{ cpu: { mode: 'protected mode' } }] })
  })

  test('the time limit', () => {
    const { status, stderr } = run(spinning, '--timeout', '0.3')
    expect(status).toBe(124)
    expect(stderr).toMatch(/^ {2}-> 0x10000f .* jmp 0x10000f$/m)
  })

  test('a triple fault', () => {
    const { status, stderr } = run(faulting)
    expect(status).toBe(6)
    expect(stderr).toMatch(/^\nnode-kvm: .*triple fault/)
  })

  test('an end that the guest has chosen is no accident', () => {
    const { status, stderr } = run(exiting)
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^\nnode-kvm: the guest ended with code 1 \(.*\)\n$/)])
  })

  test('a file is standard input as well as a pipe', () => {
    const nothing = openSync('/dev/null', 'r')
    const { status, stdout } = runCliWith({ stdin: nothing }, 'run', exiting)
    closeSync(nothing)
    expect({ status, stdout }).toEqual({ status: 1, stdout: 'x' })
  })

  test.each([
    ['a symbol file that is not there', join(folder, 'none'), /^node-kvm: symbols .*there is no such file\n$/],
    ['one that is none', exiting, /^node-kvm: .*exits: ELF: e_shnum .*stripped\n$/],
  ])('%s is said before the guest runs', (_name, path, message) => {
    const { status, stdout, stderr } = run(panicking, '--symbols', path)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(message)
  })
})
