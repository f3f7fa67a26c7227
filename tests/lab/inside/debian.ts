// Debian guests for the tests in the lab, see scripts/guests/debian.mjs.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

// By its address: the scripts are checked by a project of their own, with other settings.
const guests = (await import(new URL('../../../scripts/guests/debian.mjs', import.meta.url).href)) as {
  debianDisk: () => string
}

/** A boot takes 20 s to some minutes, by what else the lab's own host has to do. */
export const PATIENCE = 600_000

/** A folder for as long as the test runs. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-debian-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

/** A root disk to be written to. */
export function copyOfDisk(folder: string): string {
  const path = join(folder, 'root.img')
  execFileSync('cp', ['--sparse=always', guests.debianDisk(), path])
  return path
}
