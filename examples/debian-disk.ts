// Lesson 29, debian-disk: a Debian guest from a disk image, on which it leaves something for its next start
// Arguments: KERNEL INITRD DISK
import { describeOutcome, GuestConsole, linux, Machine, openDisk, virtio, virtioConsole } from 'node-kvm/machine'
import { Block, Rng } from 'node-kvm/virtio'

const [kernel, initrd, image] = process.argv.slice(2)
if (kernel === undefined || initrd === undefined || image === undefined) {
  console.error(`usage: node-kvm example debian-disk KERNEL INITRD DISK
  KERNEL  a bzImage or vmlinux
  INITRD  an initial RAM disk that loads the drivers of virtio and goes on with the disk
  DISK    a raw disk with one ext4, the root of a Debian whose init gives a root shell; docs/examples.md says how to get all three`)
  process.exit(2)
}

// No hardware but virtio's: the guest knows these as hvc0, vda and hwrng. Nothing else may write to the image meanwhile.
const shell = new GuestConsole()
const disk = new Block(await openDisk(image), { id: 'root' })
using machine = await Machine.create({
  memory: '512M',
  // TERM goes to the init, as all that the kernel does not know: for a script, a terminal without colours is best.
  boot: linux({ kernel, initrd, cmdline: 'console=hvc0 root=/dev/vda rw quiet TERM=dumb' }),
  devices: [virtioConsole({ console: shell }), virtio(disk), virtio(new Rng())],
})
const ended = machine.run({ timeout: 300_000 })

const PROMPT = /^root@.*# $/m
await shell.expect(PROMPT, { timeout: 240_000 })

/** Types a command, and returns what it prints. */
async function ask(command: string): Promise<string> {
  shell.send(`${command}\n`)
  await shell.expect(`${command}\n`) // a terminal echoes what is typed
  return (await shell.expect(PROMPT, { timeout: 60_000 })).before.trimEnd()
}

console.log('system:  ', await ask('. /etc/os-release; echo $PRETTY_NAME'))
console.log('packages:', await ask('dpkg-query --show | wc --lines'))
console.log('root:    ', await ask('findmnt --noheadings --output SOURCE,FSTYPE,SIZE /'))
console.log('starts:  ', await ask('date >>/root/starts; wc --lines </root/starts'))

// The init makes the disk clean, and switches off, when its shell ends.
shell.send('exit\n')
const outcome = await ended
if (outcome.kind !== 'power-off') throw new Error(`the guest did not switch off: ${describeOutcome(outcome)}`)
const { read, write } = disk.statistics
const mib = ({ bytes }: { bytes: number }) => (bytes / 2 ** 20).toFixed(1)
console.log(`host:     the guest has read ${mib(read)} MiB and written ${mib(write)} MiB`)
