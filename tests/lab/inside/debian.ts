// Debian guests for the tests in the lab, see scripts/guests/debian.mjs.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GuestConsole } from 'node-kvm/machine'
import { onTestFinished } from 'vitest'
import { guestInitramfs, kernelPath } from './linux.js'

// By its address: the scripts are checked by a project of their own, with other settings.
const guests = (await import(new URL('../../../scripts/guests/debian.mjs', import.meta.url).href)) as {
  debianDisk: () => string
}
/** A boot takes 20 s to some minutes, by what else the lab's own host has to do. */
export const PATIENCE = 600_000

/** A folder for as long as the test runs. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-debian-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

/** A root disk to be written to. */
export function copyOfDisk(folder: string): string {
  const path = join(folder, 'root.img')
  execFileSync('cp', ['--sparse=always', guests.debianDisk(), path])
  return path
}

/** The prompt of Debian's shell. */
const PROMPT = 'root@debian:'

/** A shell on a console. */
export class Shell {
  readonly console: GuestConsole
  readonly #type: (text: string) => void

  constructor(console: GuestConsole, type: (text: string) => void) {
    this.console = console
    this.#type = type
  }

  /** Waits for the first prompt. */
  async ready(): Promise<void> {
    await this.console.expect(PROMPT, { timeout: PATIENCE })
    // Neither colours nor line editing among the answers.
    this.#type(`exec env PS1='ready: ' bash --norc --noediting\n`)
    await this.console.expect(/^ready: /m, { timeout: PATIENCE })
  }

  /** What a command prints. It must not fail. */
  async ask(command: string): Promise<string> {
    this.start(command)
    return this.answer()
  }

  /** Begins a command; {@link answer} waits for its end. */
  start(command: string): void {
    this.#type(`echo begin; ${command}; echo "status $?"\n`)
  }

  async answer(): Promise<string> {
    const { before, groups } = await this.console.expect(/^status (\d+)\n[^]*?^ready: /m, { timeout: PATIENCE })
    const text = before.replace(/^[^]*^begin\n/m, '')
    if (groups[0] !== '0') throw new Error(`status ${groups[0]}\n${text}`)
    return text
  }

  /** Leaves it: Debian guests switch off then. */
  leave(): void {
    this.#type('exit\n')
  }
}

/** `node-kvm run` with a Debian on a disk, and a virtio console. */
export async function runDebian(folder: string, args: readonly string[]) {
  const initrd = join(folder, 'initrd')
  writeFileSync(initrd, guestInitramfs('cloud', { virtio: true }))
  const boot = ['--kernel', kernelPath('cloud'), '--initrd', initrd, '--append', 'console=hvc0 quiet root=/dev/vda rw']
  const vmm = spawn(process.execPath, ['dist/cli/main.js', 'run', ...boot, '--console', 'virtio', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void vmm.kill('SIGKILL'))
  const console = new GuestConsole({ keep: 1 << 20 })
  vmm.stdout.on('data', (bytes: Buffer) => {
    console.receive(bytes)
  })
  const closed = once(vmm, 'close')
  const shell = new Shell(console, (text) => void vmm.stdin.write(text))
  await shell.ready()
  return { shell, status: async () => ((await closed) as [number | null])[0] }
}
