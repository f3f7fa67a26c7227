// @ts-check
// A CD-ROM image that a PC starts a Linux kernel from, with any files beside it.

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './tool.mjs'

/**
 * @param {object} parts
 * @param {string} parts.path       of the image to be written
 * @param {string} parts.staging    an empty folder, for as long as this takes
 * @param {string} parts.isolinux   the unpacked package isolinux
 * @param {string} parts.syslinux   the unpacked package syslinux-common
 * @param {string} parts.kernel     a bzImage
 * @param {Buffer} parts.initramfs
 * @param {string} parts.append     the kernel's command line
 * @param {ReadonlyMap<string, string>} parts.files  path on the CD-ROM -> file or folder
 */
export async function writeIso({ path, staging, isolinux, syslinux, kernel, initramfs, append, files }) {
  const boot = join(staging, 'isolinux')
  mkdirSync(boot)
  copyFileSync(join(isolinux, 'usr/lib/ISOLINUX/isolinux.bin'), join(boot, 'isolinux.bin'))
  copyFileSync(join(syslinux, 'usr/lib/syslinux/modules/bios/ldlinux.c32'), join(boot, 'ldlinux.c32'))
  copyFileSync(kernel, join(boot, 'kernel'))
  writeFileSync(join(boot, 'initrd'), initramfs)
  writeFileSync(
    join(boot, 'isolinux.cfg'),
    `default lab\nlabel lab\n  kernel kernel\n  append initrd=initrd ${append}\n`,
  )

  /** @param {string} text */
  const escape = (text) => text.replaceAll('\\', '\\\\').replaceAll('=', '\\=')
  const grafts = [...files].map(([target, source]) => `${escape(target)}=${escape(source)}`)
  await run('xorriso', [
    ...['-as', 'mkisofs', '-quiet', '-R', '-o', path],
    ...['-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'],
    ...['-graft-points', ...grafts, staging],
  ]) // prettier-ignore
}
