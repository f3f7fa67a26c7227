// @ts-check
// node scripts/record-terminal.mjs: someone at `node-kvm run`, as the terminal shows it; for docs/machine.md.
// After `npm run build`. In the lab (docs/lab.md), tmux is the terminal, Debian's cloud kernel with a busybox shell the guest.

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { guestInitramfs, kernelPath } from './guests/linux.mjs'
import { LabError } from './lab/errors.mjs'
import { installedPrograms } from './lab/packages.mjs'
import { prepare } from './lab/progress.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const SIZE = { rows: 36, columns: 110 }
const SECONDS = 540
/** How long the screen may take to show what is waited for. */
const PATIENCE_MS = 180_000

const RUN = "node-kvm run vmlinuz --initrd initrd --append 'console=ttyS0 quiet' --cpus 2"
const HOST = /^\$ $/m
const GUEST = /# $/
/**
 * What is typed, by tmux's names, and what the screen shows after that, from what was typed on.
 * @type {[keys: string[], shown: RegExp][]}
 */
const SESSION = [
  [[RUN, 'Enter'], GUEST],
  [['uname -a', 'Enter'], /^Linux .*# $/ms],
  [['grep -c processor /proc/cpuinfo', 'Enter'], /^2\n.*# $/ms],
  [['echo asleep; sleep 1000', 'Enter'], /^asleep$/m],
  [['C-c'], /\^C.*# $/s],
  [['C-a', 'h'], /Everything else goes to the guest/],
  [['Enter'], GUEST],
  [['C-a', 'w'], /stty rows \d+ cols \d+\n.*# $/s],
  [['stty size', 'Enter'], /^\d+ \d+\n.*# $/ms],
  [['poweroff -f', 'Enter'], HOST],
  [['echo $?', 'Enter'], /^0\n\$ $/m],
]

/** @param {string[]} args */
const tmux = (...args) =>
  execFileSync('tmux', ['-L', 'node-kvm-recording', '-f', '/dev/null', ...args], { encoding: 'utf8' })

/** All that the terminal has shown. tmux leaves out the spaces at the ends of lines: a prompt gets its own back. */
const screen = () => tmux('capture-pane', '-p', '-S', '-').trimEnd().replace(/[$#]$/, '$& ')

/** Waits until the terminal shows that, beyond its first `seen` characters. @param {RegExp} wanted @param {number} seen */
async function shown(wanted, seen) {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    const text = screen()
    if (wanted.test(text.slice(seen))) return text
    if (performance.now() > end) throw new LabError(`${String(wanted)} has not come:\n${text}`)
    await sleep(300)
  }
}

/** Plays the session, and returns what the terminal has shown. */
async function record() {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-recording-'))
  mkdirSync(join(folder, 'bin'))
  symlinkSync(join(root, 'dist/cli/main.js'), join(folder, 'bin/node-kvm'))
  symlinkSync(kernelPath('cloud'), join(folder, 'vmlinuz'))
  writeFileSync(join(folder, 'initrd'), guestInitramfs('cloud'))
  const { rows, columns } = SIZE
  const shell = `PATH=${folder}/bin:$PATH PS1='$ ' ENV= exec dash`
  try {
    tmux('new-session', '-d', '-c', folder, '-x', String(columns), '-y', String(rows), shell)
    let text = await shown(HOST, 0)
    for (const [keys, wanted] of SESSION) {
      tmux('send-keys', ...keys)
      text = await shown(wanted, text.length)
    }
    return text
  } finally {
    tmux('kill-server')
    rmSync(folder, { recursive: true })
  }
}

try {
  if (process.env['NODE_KVM_LAB'] === undefined) {
    await prepare([installedPrograms({ tmux: 'tmux' })])
    const lab = ['scripts/lab/main.mjs', '--cpus', '1', '--timeout', String(SECONDS)]
    const self = ['node', fileURLToPath(import.meta.url)]
    process.exitCode = spawnSync(process.execPath, [...lab, ...self], { cwd: root, stdio: 'inherit' }).status ?? 1
  } else {
    // The prompt that waits at the end is of no interest.
    console.log((await record()).replace(/\n\$ $/, ''))
  }
} catch (error) {
  if (!(error instanceof LabError)) throw error
  console.error(error.message)
  process.exitCode = 1
}
