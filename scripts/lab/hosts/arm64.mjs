// @ts-check
// arm64: QEMU's software emulation has EL2 for Debian's kernel, which has KVM built in: with VHE on a processor that knows it, without
// on an older one. Node and a Debian for arm64 are laid over this machine's files, and the addon is cross-compiled.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addonPath, isFresh } from '../../prebuild/fresh.mjs'
import { groups } from '../../system-packages.mjs'
import { debianPrograms } from '../debian.mjs'
import { debianRoot } from '../debian-root.mjs'
import { initramfs } from '../initramfs.mjs'
import { npmPackages } from '../npm-packages.mjs'
import { installedPrograms } from '../packages.mjs'
import { QEMU_MODULES, startQemu } from '../qemu.mjs'
import { run } from '../tool.mjs'

const PROGRAM = 'qemu-system-aarch64'

/** What QEMU is told of each processor. Emulated pointer authentication makes everything four times slower. */
const CPUS = { max: 'max,pauth=off,sve=off,sme=off', 'cortex-a57': 'cortex-a57' }

/** What tests and people call, as far as it is no JavaScript; a program of this machine's does not run there. */
const debian = debianRoot({
  architecture: 'arm64',
  release: 'bookworm',
  packages: [
    ...['bash', 'bsdutils', 'coreutils', 'dash', 'debianutils', 'diffutils', 'findutils', 'grep', 'gzip', 'hostname'],
    ...['perl-base', 'procps', 'sed', 'tar', 'util-linux', 'libatomic1', 'libstdc++6'],
    ...['busybox-static', 'linux-image-arm64'],
  ],
})
const npm = npmPackages('arm64')

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** @param {string} script @param {string[]} args */
async function runScript(script, ...args) {
  await run(process.execPath, [join(root, 'scripts', script), ...args])
}

/** @type {import('../packages.mjs').Step} */
const addon = {
  title: 'Compile the addon for arm64',
  isDone: () => isFresh('arm64'),
  run: () => runScript('prebuild.mjs', 'arm64'),
}

/** A build that found no assembler for arm64 has left them out. @type {import('../packages.mjs').Step} */
const guests = {
  title: 'Build the guests for arm64',
  isDone: () => existsSync(join(root, 'dist/examples/guests/arm64-hello.bin')),
  run: () => runScript('build-guests.mjs'),
}

/** @type {import('./index.mjs').Host} */
export const arm64 = {
  name: 'arm64',
  architecture: undefined,
  defaults: { cpus: 1, memory: 4096 },
  choices: { cpu: Object.keys(CPUS), gic: ['3', '2'] },
  sharesFiles: true,
  bootSeconds: 180,
  steps: [
    installedPrograms({
      [PROGRAM]: 'qemu-system-arm',
      ...groups['arm64'],
      ...debianPrograms,
      setpriv: 'util-linux',
    }),
    debian,
    npm,
    addon,
    guests,
  ],
  start(job) {
    const environment = {
      ...job.environment,
      PATH: `${npm.bin}:${job.environment['PATH'] ?? ''}`,
      NODE_KVM_ADDON: addonPath('arm64'),
    }
    const cpu = CPUS[/** @type {keyof typeof CPUS} */ (job.choices['cpu'])]
    const machine = `virt,virtualization=on,gic-version=${job.choices['gic']}`
    return startQemu(
      {
        program: PROGRAM,
        machine: ['-machine', machine, '-accel', 'tcg,thread=multi', '-cpu', cpu],
        kernel: debian.vmlinuz(),
        append: 'console=ttyAMA0 quiet panic=-1 mitigations=off',
        layer: debian.path(),
        initramfs: initramfs(
          {
            host: 'arm64',
            init: 'qemu.sh',
            busybox: debian.path(),
            modules: debian.modules(QEMU_MODULES),
            hasLayer: true,
          },
          { ...job, environment, shares: [...npm.shares, ...job.shares] },
        ),
      },
      job,
    )
  },
}
