// The examples that boot Linux, by the command, with Debian's standard kernel: the cloud kernel has no /dev/port.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { guestInitramfs, kernelPath } from './linux.js'

const main = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js')
let folder = ''
let initrd = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-examples-'))
  initrd = join(folder, 'initrd')
  writeFileSync(initrd, guestInitramfs('standard'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

/** Rejects, with what it printed, when it fails. */
const runExample = (name: string) =>
  promisify(execFile)(process.execPath, [main, 'example', name, kernelPath('standard'), initrd])

test('linux-shell: a script asks a shell', async () => {
  const { stdout, stderr } = await runExample('linux-shell')
  expect(stderr).toBe('')
  expect(stdout).toMatch(
    /^kernel: Linux .* x86_64 .*\nCPUs: {3}1\nmemory: \d+ of 2\d\d MiB are available\nhost: {3}the guest has switched off\n$/,
  )
})

test('custom-device: Linux writes to its port, and reads its registers', async () => {
  expect(await runExample('custom-device')).toEqual({
    stdout: `guest: writes 5 to port 0x300
guest: writes 7 to port 0x300
guest: writes 30 to port 0x300
guest: reads the sum at 0xd0000000: 42
guest: reads the count at 0xd0000004: 3
host:  the guest has switched off
`,
    stderr: '',
  })
})

test('linux-forks: twenty guests in the time of one boot', async () => {
  const { stdout, stderr } = await runExample('linux-forks')
  expect(stderr).toBe('')
  expect(stdout).toMatch(
    /^fork 1: 2 3 5 7 11 13 17 19 23\n[^]*fork 20: 479 487 491 499\nhost: 95 primes up to 500, by 20 forks of one guest\n$/,
  )
})
