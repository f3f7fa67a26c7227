// @ts-check
// How long Debian's cloud kernel takes to user space: from the start of the process to the first line of init, here and
// under QEMU, with the same kernel, initramfs, vCPUs and memory.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */

const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const QEMU = 'qemu-system-x86_64'
const MEMORY = '512M'
/** In seconds: a boot takes some ten in emulation. */
const PATIENCE = 90
/** No more than it takes: with NODE_EXTRA_CA_CERTS set, Node reads some 150 certificates before it does anything else. */
const env = { PATH: process.env['PATH'] }

/** @typedef {{ kernel: string, initrd: string, ready: string }} Guest */

/** @type {Bench} */
export const boot = {
  about: 'Debian’s cloud kernel to user space, from the start of the process; in the lab',
  rounds: 3,
  count: 1,
  async prepare(count) {
    if (process.env['NODE_KVM_LAB'] === undefined)
      throw new Error('the guests are the lab’s: npm run build && npm run lab -- node scripts/bench/main.mjs boot')
    const guest = await makeGuest()
    return [1, 2].flatMap((cpus) =>
      ['quiet', 'chatty'].flatMap((noise) => {
        const settings = `${cpus} vCPU${cpus > 1 ? 's' : ''}, ${noise}`
        const append = `console=ttyS0 ${noise === 'quiet' ? 'quiet' : 'loglevel=7'} then=power-off`
        const [pc, microvm] = [`QEMU pc, ${settings}`, `QEMU microvm, ${settings}`]
        /** @param {string} name @param {string[]} command @returns {Case} */
        const one = (name, command) => ({
          name: `${name}, ${settings}`,
          against: name === 'node-kvm' ? [pc, microvm] : pc,
          unit: 's',
          ...(name === 'node-kvm' ? { target: 1 } : {}),
          async measure() {
            let sum = 0
            for (let time = 0; time < count; time++) sum += await toUserSpace(command, guest.ready)
            return sum / count
          },
        })
        return [
          one('QEMU pc', qemu(guest, cpus, append, 'pc')),
          one('QEMU microvm', qemu(guest, cpus, append, 'microvm,pit=on,pic=on,rtc=on,isa-serial=on')),
          one('node-kvm', [
            ...[process.execPath, CLI, 'run', '--kernel', guest.kernel, '--initrd', guest.initrd],
            ...['--append', append, '--cpus', String(cpus), '--memory', MEMORY, '--timeout', String(PATIENCE)],
          ]),
        ]
      }),
    )
  },
}

/** @returns {Promise<Guest>} */
async function makeGuest() {
  const { guestInitramfs, kernelPath, READY } = await import('../guests/linux.mjs')
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-bench-'))
  process.once('exit', () => rmSync(folder, { recursive: true }))
  const initrd = join(folder, 'initrd')
  writeFileSync(initrd, guestInitramfs('cloud'))
  if (spawnSync(QEMU, ['--version']).error) throw new Error(`${QEMU} is not here: apt-get install qemu-system-x86`)
  return { kernel: kernelPath('cloud'), initrd, ready: READY }
}

/** @param {Guest} guest @param {number} cpus @param {string} append @param {string} machine */
function qemu({ kernel, initrd }, cpus, append, machine) {
  return [
    ...[QEMU, '-machine', machine, '-accel', 'kvm', '-cpu', 'host', '-smp', String(cpus), '-m', MEMORY],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', append],
  ]
}

/** In seconds. @param {string[]} command @param {string} ready @returns {Promise<number>} */
function toUserSpace([program = '', ...args], ready) {
  return new Promise((resolve, reject) => {
    const start = performance.now()
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let output = ''
    let took = NaN
    const limit = setTimeout(() => child.kill('SIGKILL'), (PATIENCE + 10) * 1000)
    child.stderr.on('data', (/** @type {Buffer} */ data) => (output += String(data)))
    child.stdout.on('data', (/** @type {Buffer} */ data) => {
      output += String(data)
      if (!Number.isNaN(took) || !output.includes(ready)) return
      took = (performance.now() - start) / 1000
      child.kill('SIGKILL') // nobody waits for the power-off
    })
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(limit)
      if (Number.isNaN(took)) reject(new Error(`${program} did not get to user space:\n${output.slice(-6000)}`))
      else resolve(took)
    })
  })
}
