// `node-kvm run --snapshot-to`, `node-kvm restore`, `node-kvm snapshot`
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { program, runCli } from './run-cli.js'

let folder: string
const path = (name: string) => join(folder, name)

/** Says A to Z on the first serial line, again and again: mov dx, 0x3f8; mov al, 'A'; out dx, al; inc al; cmp al, '['; jne; jmp */
const ALPHABET = [0xba, 0xf8, 0x03, 0xb0, 0x41, 0xee, 0xfe, 0xc0, 0x3c, 0x5b, 0x75, 0xf9, 0xeb, 0xf5]

/** Whether each letter is the one after the letter before. */
const isInOrder = (text: string) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.repeat(text.length / 26 + 2).includes(text)

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-cli-snapshot-'))
  writeFileSync(path('guest'), Uint8Array.from(ALPHABET))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Runs the guest, with what else is said, until a snapshot of it has been taken; and ends it. */
async function takeSnapshot(...args: string[]): Promise<void> {
  const guest = ['run', '--format', 'flat', path('guest'), '--memory', '4M', '--snapshot-to', path('snapshot')]
  const child = spawn(process.execPath, [program, ...guest, ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.stdout.resume()
  child.kill('SIGUSR2')
  const [said] = (await once(child.stderr, 'data')) as [Buffer]
  expect(String(said)).toBe(`[a snapshot is in ${path('snapshot')}]\n`)
  child.kill('SIGTERM')
  await once(child, 'exit')
}

test('a guest goes on from a snapshot that was taken on a signal', async () => {
  await takeSnapshot()
  const { status, stdout } = runCli('restore', path('snapshot'), '--timeout', '1')
  expect(status).toBe(124)
  expect(stdout.length).toBeGreaterThan(26)
  expect(isInOrder(stdout)).toBe(true)
})

test('its devices are named again', async () => {
  await takeSnapshot('--rng')
  const without = runCli('restore', path('snapshot'), '--timeout', '1')
  expect(without).toMatchObject({ status: 1, stdout: '' })
  expect(without.stderr).toMatch(/virtio0 cannot be restored: the saved machine had it/)
  expect(runCli('restore', path('snapshot'), '--rng', '--timeout', '1').status).toBe(124)
})

describe('node-kvm snapshot', () => {
  test('says what is in it, finds nothing wrong, and writes one that stands alone', async () => {
    await takeSnapshot()
    const { status, stdout } = runCli('snapshot', 'info', path('snapshot'))
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ cpus: 1, memory: 4 * 2 ** 20, directories: [path('snapshot')] })
    expect(runCli('snapshot', 'verify', path('snapshot'))).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(runCli('snapshot', 'flatten', path('snapshot'), path('flat')).status).toBe(0)
    expect(runCli('snapshot', 'verify', path('flat')).status).toBe(0)
  })

  test('says of what is none that it is none, and what is damaged', async () => {
    expect(runCli('snapshot', 'info', folder)).toMatchObject({ status: 1, stdout: '' })
    expect(runCli('restore', path('nowhere')).stderr).toMatch(
      /nowhere.* cannot be restored: there is no whole snapshot/,
    )
    await takeSnapshot()
    truncateSync(path('snapshot/state.json'), 1000)
    const { status, stderr } = runCli('snapshot', 'verify', path('snapshot'), '--json')
    expect(status).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ code: 'ERR_KVM_SNAPSHOT' })
  })
})
