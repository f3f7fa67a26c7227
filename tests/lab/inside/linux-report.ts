// A Linux guest that says what it found, beside what its machine was built with.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { outcomeOf, reportParts, startLinux } from './linux.js'

const KIB = 1024
const GIB = 1024 ** 3

/**
 * Boots Debian's cloud kernel with 6 GiB: the whole log comes out, it finds these vCPUs, its memory on both sides of the hole
 * and every ACPI table as it was built: acpidump's output in there says so. iasl reads them, and it switches off.
 */
export async function expectOwnMachine(cpus: number): Promise<void> {
  const guest = await startLinux({ cpus, memory: '6G', then: 'report', cmdline: 'loglevel=7' })
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
  expect(guest.console.text).toContain(`smp: Brought up 1 node, ${cpus} CPU`)
  expect(guest.console.text).not.toMatch(/ACPI (BIOS )?Error|ACPI BIOS Warning|\[Firmware Bug\]/)

  const parts = reportParts(guest.second.text)
  expect([...parts.keys()], guest.second.text).toEqual(['nproc', 'meminfo', 'iomem', 'acpidump'])
  expect(parts.get('nproc')?.trim()).toBe(String(cpus))
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
  writeFileSync(join(folder, 'dump'), parts.get('acpidump')!)
  runIn(folder, 'acpixtract', '-a', 'dump')
  for (const [signature, bytes] of built) {
    const name = signature.toLowerCase()
    expect(readFileSync(join(folder, `${name}.dat`)).toString('hex'), signature).toBe(bytes.toString('hex'))
    expect(runIn(folder, 'iasl', '-d', `${name}.dat`)).not.toMatch(/error|warning/i)
    expect(readFileSync(join(folder, `${name}.dsl`), 'latin1')).toMatch(new RegExp(`Signature\\s+(: )?"${signature}"`))
  }
}

/** Runs one of ACPICA's programs, and returns what it wrote to standard error. */
function runIn(folder: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
  expect({ program, status, stdout, stderr }).toMatchObject({ status: 0 })
  return stderr
}
