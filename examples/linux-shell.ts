// Lesson 27, linux-shell: Linux boots, and a script types at its shell
// Arguments: KERNEL INITRD
import { describeOutcome, GuestConsole, linux, Machine, serial } from 'node-kvm/machine'

const [kernel, initrd] = process.argv.slice(2)
if (kernel === undefined || initrd === undefined) {
  console.error(`usage: node-kvm example linux-shell KERNEL INITRD
  KERNEL  a bzImage or vmlinux, such as /boot/vmlinuz-6.1.0-18-amd64
  INITRD  an initial RAM disk that ends in a root shell with busybox's programs; docs/examples.md says how to get one`)
  process.exit(2)
}

// A serial line has two ends. The guest knows its one as ttyS0; this is the other.
const shell = new GuestConsole()
using machine = await Machine.create({
  memory: '256M',
  boot: linux({ kernel, initrd, cmdline: 'console=ttyS0 quiet' }),
  devices: [serial({ console: shell })],
})
const ended = machine.run({ timeout: 300_000 })

const PROMPT = '# '
await shell.expect(PROMPT, { timeout: 240_000 })

/** Types a command, and returns what it prints. */
async function ask(command: string): Promise<string> {
  shell.send(`${command}\n`)
  await shell.expect(`${command}\n`) // a terminal echoes what is typed
  return (await shell.expect(PROMPT)).before.trimEnd().replace(/\n.*$/, '') // the prompt's own line begins with a folder
}

console.log('kernel:', await ask('uname -a'))
console.log('CPUs:  ', await ask('grep -c ^processor /proc/cpuinfo'))
shell.send('cat /proc/meminfo\n')
const { named } = await shell.expect(/^MemTotal: +(?<total>\d+) kB\n[^]*^MemAvailable: +(?<available>\d+) kB\n/m)
const [total, available] = [named['total'], named['available']].map((kib) => Math.round(Number(kib) / 1024))
console.log(`memory: ${available} of ${total} MiB are available`)

// After this the guest is gone. How it went is a value; a panic, say, would be another one.
shell.send('poweroff -f\n')
const outcome = await ended
if (outcome.kind !== 'power-off') throw new Error(`the guest did not switch off: ${describeOutcome(outcome)}`)
console.log('host:   the guest has switched off')
