// @ts-check
// node scripts/write-linux-guest.mjs FOLDER [--debian]: a Linux guest as files: Debian's standard kernel, and an initramfs with a shell;
// with --debian also the root disk of a Debian. What is missing is downloaded, as for the lab (docs/lab.md).

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianDisk, debianSteps } from './guests/debian.mjs'
import { guestInitramfs, guestSteps, kernelPath } from './guests/linux.mjs'
import { LabError } from './lab/errors.mjs'
import { prepare } from './lab/progress.mjs'

const [folder, option] = process.argv.slice(2)
try {
  const withDebian = option === '--debian'
  if (folder === undefined || (option !== undefined && !withDebian))
    throw new LabError('usage: node scripts/write-linux-guest.mjs FOLDER [--debian]')
  await prepare([...guestSteps, ...(withDebian ? debianSteps : [])])
  mkdirSync(folder, { recursive: true })
  const [kernel, initrd, disk] = [join(folder, 'vmlinuz'), join(folder, 'initrd'), join(folder, 'debian.img')]
  copyFileSync(kernelPath('standard'), kernel)
  writeFileSync(initrd, guestInitramfs('standard', { virtio: true }))
  // A file with holes stays one.
  if (withDebian) execFileSync('cp', ['--sparse=always', debianDisk(), disk])
  console.log([kernel, initrd, ...(withDebian ? [disk] : [])].join(' '))
} catch (error) {
  if (!(error instanceof LabError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
