// @ts-check
// VT-x: Bochs emulates a Skylake with EPT and unrestricted guests, so Debian's kernel has its real kvm-intel. Bochs has no
// virtio, so the package and node go in on a CD-ROM.

import { writeIso } from '../iso.mjs'
import { BOCHS_MODULES, startBochs } from '../bochs.mjs'
import { LabError } from '../errors.mjs'
import { initramfs } from '../initramfs.mjs'
import { debianKernel } from '../kernel.mjs'
import { packageFiles } from '../package-files.mjs'
import { installedPrograms, unpackedPackage } from '../packages.mjs'

const kernel = debianKernel('linux-image-amd64')
const busybox = unpackedPackage('busybox-static')
const isolinux = unpackedPackage('isolinux')
const syslinux = unpackedPackage('syslinux-common')

/** @param {import('../job.mjs').Job} job @returns {Promise<ReadonlyMap<string, string>>} path on the CD-ROM -> path here */
async function tree(job) {
  const files = await packageFiles()
  for (const { source, target } of job.shares) files.set(target, source)
  files.set('/bin/busybox', `${busybox.path()}/bin/busybox`)
  return new Map([...files].map(([target, source]) => [`tree${target}`, source]))
}

/** @type {import('./index.mjs').Host} */
export const intel = {
  name: 'intel',
  architecture: 'x64',
  defaults: { cpus: 1, memory: 1024 },
  sharesFiles: false,
  bootSeconds: 1200,
  steps: [
    installedPrograms({
      'bochs-bin': 'bochs bochs-term bochsbios vgabios',
      xorriso: 'xorriso',
      as: 'binutils',
      xz: 'xz-utils',
      script: 'bsdutils',
      setpriv: 'util-linux',
    }),
    kernel.unpacked,
    kernel.vmlinux,
    kernel.bzImage,
    busybox,
    isolinux,
    syslinux,
  ],
  async start(job) {
    if (job.terminal) throw new LabError('The intel host has no terminal.')
    const files = await tree(job)
    // It names a file that is not on the CD-ROM, and every node would complain.
    const environment = Object.fromEntries(
      Object.entries(job.environment).filter(([name]) => name !== 'NODE_EXTRA_CA_CERTS'),
    )
    return startBochs(
      {
        cpu: 'corei7_skylake_x',
        writeIso: (path, staging) =>
          writeIso({
            path,
            staging,
            isolinux: isolinux.path(),
            syslinux: syslinux.path(),
            kernel: kernel.bzImage.path(),
            append:
              'console=ttyS0,115200 quiet panic=-1 no_timer_check mitigations=off nokaslr vt.global_cursor_default=0',
            initramfs: initramfs(
              {
                host: 'intel',
                init: 'bochs.sh',
                busybox: busybox.path(),
                modules: kernel.modules([...BOCHS_MODULES, 'kvm-intel']),
              },
              { ...job, environment },
            ),
            files,
          }),
      },
      job,
    )
  },
}
