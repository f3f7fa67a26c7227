// @ts-check
// The first file system of a lab host: busybox, the kernel modules, an init script and the job. It is small, made
// anew for every start, and not compressed, because unpacking is what emulated CPUs are slow at.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { directory, file, pack, symlink } from './cpio.mjs'
import { commandScript } from './job.mjs'
import { assignments, quote } from './shell.mjs'

const FOLDERS = ['bin', 'dev', 'proc', 'run', 'sys', 'lab', 'lab/modules.d']

/** Every busybox program that an init script in init/ uses. */
const APPLETS = [
  'cat', 'chroot', 'cp', 'hostname', 'ifconfig', 'insmod', 'ln', 'mkdir', 'mkfifo', 'mount', 'poweroff', 'ps',
  'setsid', 'sh', 'sleep', 'stty', 'sync', 'tar', 'tee', 'usleep', 'wc',
] // prettier-ignore

/**
 * @param {object} parts
 * @param {string} parts.host        the host kind's name
 * @param {string} parts.init        the script in init/ that is process 1
 * @param {string} parts.busybox     the unpacked package busybox-static
 * @param {readonly import('./kernel-modules.mjs').KernelModule[]} parts.modules
 * @param {boolean} [parts.hasLayer]  whether there is a folder to lay over the machine's files
 * @param {import('./job.mjs').Job} job
 */
export function initramfs({ host, init, busybox, modules, hasLayer = false }, job) {
  const variables = {
    LAB_NAME: `lab-${host}`,
    LAB_OUTPUT: job.output,
    LAB_LAYER: hasLayer ? 1 : 0,
    LAB_TERMINAL: job.terminal ? 1 : 0,
    LAB_ROWS: job.terminal?.rows ?? 0,
    LAB_COLUMNS: job.terminal?.columns ?? 0,
  }
  return pack([
    ...FOLDERS.map(directory),
    file('bin/busybox', readFileSync(join(busybox, 'bin/busybox')), 0o755),
    ...APPLETS.map((applet) => symlink(`bin/${applet}`, 'busybox')),
    ...modules.map(({ name, data }) => file(`lab/modules.d/${name}.ko`, data)),
    file('lab/modules', modules.map(({ name }) => `${name}\n`).join('')),
    file('lab/job', assignments(variables)),
    file('lab/shares', job.shares.map(({ source, target }) => `share ${quote(source)} ${quote(target)}\n`).join('')),
    file('lab/command', commandScript(job)),
    file('lab/common.sh', readFileSync(new URL('init/common.sh', import.meta.url))),
    file('lab/hold-vms.pl', readFileSync(new URL('init/hold-vms.pl', import.meta.url))),
    file('init', readFileSync(new URL(`init/${init}`, import.meta.url)), 0o755),
  ])
}
