// @ts-check
// A QEMU machine whose init is init/qemu.sh: one virtio port for each stream of the command, and one for control.
// The ports are socket pairs inherited by QEMU, so there are no socket files and nobody else can connect.

import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { followControl } from './control.mjs'
import { spawnEmulator } from './machine.mjs'

/** @typedef {import('node:net').Socket} Socket */

/** Modules that init/qemu.sh needs, whatever the host kind, and taps. */
export const QEMU_MODULES = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay', 'tun']

/** QEMU's file descriptors: the first three are the usual ones. */
const FIRST_PORT_FD = 3

/** A comma ends a value in QEMU's options unless it is doubled. @param {string} text */
const escapeOption = (text) => text.replaceAll(',', ',,')

/** @param {string} name @param {string} path @param {string} [access] */
const folder9p = (name, path, access = '') => [
  '-fsdev', `local,id=${name},path=${escapeOption(path)},security_model=none,multidevs=remap${access}`,
  '-device', `virtio-9p-pci,fsdev=${name},mount_tag=${name}`,
] // prettier-ignore

/** @param {string} name @returns {[string, string[]]} */
const namedPort = (name) => [name, ['-device', `virtserialport,chardev=${name},name=${name}`]]

/** @param {import('./job.mjs').Job} job @returns {[string, string[]][]} chardev and device; the guest sees the last one last */
function portDevices(job) {
  /** @type {[string, string[]][]} */
  const streams = job.terminal
    ? [['terminal', ['-device', 'virtconsole,chardev=terminal']]]
    : ['stdin', 'stdout', 'stderr'].map(namedPort)
  return [['console', ['-serial', 'chardev:console']], ...streams, namedPort('control')]
}

/** A descriptor of a file that nobody can find and nobody needs to remove. @param {Buffer} content */
function unnamedFile(content) {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-lab-'))
  const descriptor = openSync(join(folder, 'file'), 'wx+', 0o600)
  rmSync(folder, { recursive: true })
  writeFileSync(descriptor, content)
  return descriptor
}

/**
 * @param {object} options
 * @param {string} options.program
 * @param {string[]} options.machine  the machine, its CPU, whatever the host kind decides
 * @param {string} options.kernel
 * @param {string} options.append     the kernel's command line
 * @param {Buffer} options.initramfs
 * @param {string} [options.layer]    a folder whose files are laid over this machine's
 * @param {import('./job.mjs').Job} job
 * @returns {import('./machine.mjs').Machine}
 */
export function startQemu({ program, machine, kernel, append, initramfs, layer }, job) {
  const ports = portDevices(job)
  const args = [
    ...machine,
    ...['-smp', String(job.cpus), '-m', `${job.memory}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', `/proc/self/fd/${FIRST_PORT_FD + ports.length}`, '-append', append],
    ...['-device', `virtio-serial-pci,max_ports=${ports.length + 1}`],
    ...ports.flatMap(([name, device], index) => [
      '-chardev',
      `socket,id=${name},fd=${FIRST_PORT_FD + index}`,
      ...device,
    ]),
    ...folder9p('host', '/', ',readonly=on'),
    ...(layer === undefined ? [] : folder9p('layer', layer, ',readonly=on')),
    ...folder9p('output', job.output),
  ]
  const initrd = unnamedFile(initramfs)
  /** @type {import('./machine.mjs').Descriptors} */
  const descriptors = ['ignore', 'ignore', 'pipe']
  ports.forEach(() => descriptors.push('pipe'))
  const { child, closed, end } = spawnEmulator(program, args, [...descriptors, initrd])
  closeSync(initrd)

  /** @param {string} name */
  function port(name) {
    const index = ports.findIndex(([candidate]) => candidate === name)
    const socket = /** @type {Socket} */ (/** @type {unknown} */ (child.stdio[FIRST_PORT_FD + index]))
    socket.on('error', () => {}) // QEMU went away; `closed` tells
    return socket
  }

  const console = new PassThrough()
  for (const source of [child.stderr, port('console')]) source?.pipe(console, { end: false })
  child.once('error', (error) => console.write(`${program}: ${error.message}\n`))
  void closed.then(() => console.end())

  const stdout = port(job.terminal ? 'terminal' : 'stdout').pipe(new PassThrough())
  const stderr = job.terminal ? new PassThrough().end() : port('stderr').pipe(new PassThrough())
  const control = port('control')
  const { ready, status } = followControl(control, [stdout, stderr], closed, () => void control.write('wake\n'))
  return {
    stdin: port(job.terminal ? 'terminal' : 'stdin'),
    stdout,
    stderr,
    console,
    ready,
    status,
    look: () => void control.write('look\n'),
    end,
  }
}
