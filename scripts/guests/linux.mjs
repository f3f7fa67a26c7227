// @ts-check
// The Linux guests of tests and benchmarks: Debian's kernels, and one busybox initramfs for all that they do.
// The packages come through the lab's cache. What starts the guests must have run `guestSteps` first; the lab does.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { directory, file, pack, symlink } from '../lab/cpio.mjs'
import { debianKernel } from '../lab/kernel.mjs'
import { installedPrograms, unpackedPackage } from '../lab/packages.mjs'

const busybox = unpackedPackage('busybox-static')
const kernels = { cloud: debianKernel('linux-image-cloud-amd64'), standard: debianKernel('linux-image-amd64') }

/** @typedef {keyof typeof kernels} KernelName */

/** What must be there, in the order in which it is made: the guests, and what reads their ACPI tables. */
export const guestSteps = [
  busybox,
  ...Object.values(kernels).map(({ unpacked }) => unpacked),
  installedPrograms({ iasl: 'acpica-tools', acpidump: 'acpica-tools', acpixtract: 'acpica-tools' }),
]

/** The line with which user space begins. */
export const READY = 'guest: user space'

/** The power button as an input device, and the panic device of `machine`. */
const MODULES = ['button', 'evdev', 'pvpanic-mmio']

/** Virtio's drivers, on either transport, and what is used with them. */
const VIRTIO_MODULES = [
  'virtio_mmio', 'virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_rng', 'virtio_console', 'ext4',
] // prettier-ignore

/** Every busybox program that init/linux.sh uses, and some for who types at its shell. */
const APPLETS = [
  'arping', 'cat', 'chroot', 'cmp', 'cttyhack', 'cut', 'date', 'dd', 'devmem', 'dmesg', 'echo', 'expr', 'find', 'grep', 'head',
  'hexdump', 'hwclock', 'insmod', 'ip', 'ls', 'lspci', 'md5sum', 'mkdir', 'mount', 'nc', 'nproc', 'ping', 'poweroff', 'reboot', 'seq',
  'setsid', 'sh', 'sleep', 'stty', 'switch_root', 'sync', 'tail', 'umount', 'uname', 'wc',
] // prettier-ignore

/** ACPICA's own reader of tables, and what it is linked with: where it is here, by where it is in the guest. */
const ACPIDUMP = {
  'bin/acpidump': '/usr/bin/acpidump',
  'lib/libc.so.6': '/lib/x86_64-linux-gnu/libc.so.6',
  'lib64/ld-linux-x86-64.so.2': '/lib64/ld-linux-x86-64.so.2',
}

/** The path of a kernel's bzImage. @public @param {KernelName} name */
export const kernelPath = (name) => kernels[name].vmlinuz()

/**
 * An initramfs for one of the kernels. What its guest does is on the kernel's command line, see init/linux.sh.
 * @public
 * @param {KernelName} kernel  whose modules are in it
 * @param {{ acpidump?: boolean, virtio?: boolean }} [options]  acpidump: with that program, which then=report wants; virtio: with
 *   its drivers, which then=drivers and root= load
 */
export function guestInitramfs(kernel, { acpidump = false, virtio = false } = {}) {
  const modules = kernels[kernel].modules([...MODULES, ...(virtio ? VIRTIO_MODULES : [])])
  const programs = Object.entries(acpidump ? ACPIDUMP : {})
  return pack([
    ...['bin', 'dev', 'lib', 'lib64', 'proc', 'sys', 'modules'].map(directory),
    file('bin/busybox', readFileSync(join(busybox.path(), 'bin/busybox')), 0o755),
    ...APPLETS.map((applet) => symlink(`bin/${applet}`, 'busybox')),
    ...programs.map(([name, path]) => file(name, readFileSync(path), 0o755)),
    ...modules.map(({ name, data }) => file(`modules/${name}.ko`, data)),
    file('modules/order', modules.map(({ name }) => `${name}\n`).join('')),
    file('ready', `${READY}\n`),
    file('init', readFileSync(new URL('init/linux.sh', import.meta.url)), 0o755),
  ])
}
