// @ts-check
// node scripts/write-linux-guest.mjs FOLDER: a Linux guest as files: Debian's standard kernel, and an initramfs with a shell.
// What is missing is downloaded, as for the lab (docs/lab.md).

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from './lab/errors.mjs'
import { prepare } from './lab/progress.mjs'
import { guestInitramfs, guestSteps, kernelPath } from './guests/linux.mjs'

const [folder] = process.argv.slice(2)
try {
  if (folder === undefined) throw new LabError('usage: node scripts/write-linux-guest.mjs FOLDER')
  await prepare(guestSteps)
  mkdirSync(folder, { recursive: true })
  const [kernel, initrd] = [join(folder, 'vmlinuz'), join(folder, 'initrd')]
  copyFileSync(kernelPath('standard'), kernel)
  writeFileSync(initrd, guestInitramfs('standard'))
  console.log(`${kernel} ${initrd}`)
} catch (error) {
  if (!(error instanceof LabError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
