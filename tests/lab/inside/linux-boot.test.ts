// Debian's kernels to user space. Each boot takes a while in emulation, so each shows several things.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { outcomeOf, READY, reportParts, startLinux } from './linux.js'

const KIB = 1024
const GIB = 1024 ** 3

test('8 vCPUs, memory on both sides of the hole, every table as it was built, then power-off', async () => {
  const guest = await startLinux({ cpus: 8, memory: '6G', then: 'report', cmdline: 'loglevel=7' })
  // Before the guest can write to them.
  const built = new Map(
    guest.machine.placed.flatMap(({ name, start, size }) => {
      const [, signature] = /^ACPI (DSDT|FACP|APIC)$/.exec(name) ?? []
      return signature === undefined ? [] : [[signature, Buffer.from(guest.machine.vm.memory.read(start, size))]]
    }),
  )
  expect([...built.keys()].sort()).toEqual(['APIC', 'DSDT', 'FACP'])
  await outcomeOf(guest, 'power-off')

  // The whole log came out on the serial line.
  expect(guest.console.text).toContain('Linux version')
  expect(guest.console.text).toContain('smp: Brought up 1 node, 8 CPUs')
  expect(guest.console.text).not.toMatch(/ACPI (BIOS )?Error|ACPI BIOS Warning|\[Firmware Bug\]/)

  const parts = reportParts(guest.second.text)
  expect([...parts.keys()], guest.second.text).toEqual(
    expect.arrayContaining(['nproc', 'meminfo', 'iomem', 'acpi APIC', 'acpi DSDT', 'acpi FACP']),
  )
  expect(parts.get('nproc')?.trim()).toBe('8')
  const total = Number(/^MemTotal:\s+(\d+) kB$/m.exec(parts.get('meminfo')!)?.[1]) * KIB
  expect(total).toBeGreaterThan(5.7 * GIB)
  expect(total).toBeLessThan(6 * GIB)
  const ram = [...parts.get('iomem')!.matchAll(/^([0-9a-f]+)-([0-9a-f]+) : System RAM$/gm)].map(([, from, to]) => [
    parseInt(from!, 16),
    parseInt(to!, 16) + 1,
  ])
  // Linux keeps page 0 for itself.
  expect(ram).toEqual([
    [0x1000, 0x9_fc00],
    [0x10_0000, 3 * GIB],
    [4 * GIB, 7 * GIB],
  ])

  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-acpi-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [signature, bytes] of built) {
    const seen = Buffer.from(parts.get(`acpi ${signature}`)!, 'base64')
    expect(seen.toString('hex'), signature).toBe(bytes.toString('hex'))
    const path = join(folder, signature)
    writeFileSync(`${path}.dat`, seen)
    const { status, stderr } = spawnSync('iasl', ['-d', `${path}.dat`], { encoding: 'utf8' })
    expect({ status, stderr }).toMatchObject({
      status: 0,
      stderr: expect.not.stringMatching(/error|warning/i) as string,
    })
    expect(readFileSync(`${path}.dsl`, 'latin1')).toMatch(new RegExp(`Signature\\s+(: )?"${signature}"`))
  }
})

test('2 vCPUs in 256 MiB: a shell that echoes, a reset that boots again', async () => {
  const guest = await startLinux({ cpus: 2, memory: '256M', then: 'shell' })
  const { before: boot } = await guest.expect(READY)
  // quiet: nothing but warnings comes before user space.
  expect(boot).not.toContain('Linux version')
  await guest.expect('# ')
  guest.console.send('echo $((6 * 7)) CPUs $(nproc)\n')
  // Once as it was typed, and then the answer.
  await guest.expect('echo $((6 * 7))')
  await guest.expect('42 CPUs 2\n')
  await guest.expect('# ')
  guest.console.send('reboot -f\n')
  await guest.expect(READY)
  await guest.expect('# ')
  await guest.machine.stop()
  await outcomeOf(guest, 'stopped')
})

test('the standard kernel boots, and its reset is seen as one', async () => {
  const guest = await startLinux({ kernel: 'standard', then: 'reboot', onReset: 'end' })
  await guest.expect(READY)
  expect(await outcomeOf(guest, 'reset')).toMatchObject({ kind: 'reset', cause: expect.any(String) as string })
})

test('a panic is seen as one', async () => {
  const guest = await startLinux({ then: 'panic' })
  await guest.expect(READY)
  await outcomeOf(guest, 'panic')
})

test('the power button reaches the guest', async () => {
  const guest = await startLinux({ then: 'button' })
  await guest.expect('guest: waiting for the button')
  expect(guest.machine.powerButton()).toBe(true)
  await guest.expect('guest: button')
  await outcomeOf(guest, 'power-off')
})
