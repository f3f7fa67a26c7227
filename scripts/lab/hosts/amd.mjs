// @ts-check
// AMD-V: QEMU's software emulation of an EPYC has SVM with nested paging, so Debian's kernel has its real kvm-amd.

import { bareGuestSteps } from '../../guests/bare.mjs'
import { guestSteps } from '../../guests/linux.mjs'
import { initramfs } from '../initramfs.mjs'
import { debianKernel } from '../kernel.mjs'
import { installedPrograms, unpackedPackage } from '../packages.mjs'
import { QEMU_MODULES, startQemu } from '../qemu.mjs'

const PROGRAM = 'qemu-system-x86_64'
// The full kernel: the cloud kernel has no 9p.
const kernel = debianKernel('linux-image-amd64')
const busybox = unpackedPackage('busybox-static')

/** @type {import('./index.mjs').Host} */
export const amd = {
  name: 'amd',
  architecture: 'x64',
  // One: with several, QEMU's emulation does not always notice that a kernel changes its own code (init/hold-vms.pl).
  defaults: { cpus: 1, memory: 4096 },
  sharesFiles: true,
  bootSeconds: 180,
  steps: [
    installedPrograms({ [PROGRAM]: 'qemu-system-x86', xz: 'xz-utils', setpriv: 'util-linux' }),
    kernel.unpacked,
    kernel.vmlinux,
    busybox,
    // There is no network inside: what the tests boot there is fetched out here.
    ...guestSteps,
    ...bareGuestSteps,
  ],
  start: (job) =>
    startQemu(
      {
        program: PROGRAM,
        machine: ['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'EPYC,+svm,+npt'],
        kernel: kernel.vmlinux.path(),
        append: 'console=ttyS0 quiet panic=-1 no_timer_check reboot=t mitigations=off',
        initramfs: initramfs(
          {
            host: 'amd',
            init: 'qemu.sh',
            busybox: busybox.path(),
            modules: kernel.modules([...QEMU_MODULES, 'kvm-amd', 'tap', 'vhost_net']),
          },
          job,
        ),
      },
      job,
    ),
}
