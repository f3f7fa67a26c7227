// Lesson 28, custom-device: an adding machine of one's own in a PC, and Linux uses it
// Arguments: KERNEL INITRD
import type { Device } from 'node-kvm'
import { describeOutcome, GuestConsole, linux, Machine, serial } from 'node-kvm/machine'

const [kernel, initrd] = process.argv.slice(2)
if (kernel === undefined || initrd === undefined) {
  console.error('usage: node-kvm example custom-device KERNEL INITRD (the same as for linux-shell)')
  process.exit(2)
}

const PORT = 0x300 // from here to 0x31f the IBM PC left room for prototypes
const REGISTERS = 0xd000_0000 // between 3 and 4 GiB, where a PC has devices instead of RAM
const [SUM, COUNT] = [0, 4] // the offsets of two registers there, of 32 bits each

const registers = new DataView(new ArrayBuffer(8))

/** Each byte written to its port is added up. */
const port: Device = {
  read: (_offset, data) => data.fill(0xff),
  write(_offset, [number = 0]) {
    registers.setUint32(SUM, registers.getUint32(SUM, true) + number, true)
    registers.setUint32(COUNT, registers.getUint32(COUNT, true) + 1, true)
  },
  // After a reset of the machine it begins at 0, like all else.
  reset: () => new Uint8Array(registers.buffer).fill(0),
}

/** Its registers have the sum, and of how many numbers it is. */
const memory: Device = {
  // A guest may read with any width, at any offset; that it stays within the device is the bus's business.
  read: (offset, data) => data.set(new Uint8Array(registers.buffer, offset, data.length)),
  write: () => undefined,
}

const shell = new GuestConsole()
using machine = await Machine.create({
  boot: linux({ kernel, initrd, cmdline: 'console=ttyS0 quiet' }),
  devices: [
    serial({ console: shell }),
    { name: 'adder', device: port, resources: [{ port: PORT, length: 1 }] },
    { name: 'sums', device: memory, resources: [{ memory: REGISTERS, length: registers.byteLength }] },
  ],
})
const ended = machine.run({ timeout: 300_000 })
await shell.expect('# ', { timeout: 240_000 })

// To try a device needs no driver: /dev/port leads to the ports, and /dev/mem to all that is not RAM.
shell.send('[ -c /dev/port ] && echo yes || echo no\n')
const { match: hasPorts } = await shell.expect(/^(yes|no)$(?=\n)/m)
if (hasPorts === 'no') throw new Error("this kernel has no /dev/port: take Debian's standard kernel, not the cloud one")
for (const number of [5, 7, 30]) {
  shell.send(`printf '\\${number.toString(8)}' | dd of=/dev/port bs=1 seek=${PORT}\n`)
  await shell.expect(/^1\+0 records out$/m)
  console.log(`guest: writes ${number} to port 0x${PORT.toString(16)}`)
}
for (const [name, offset] of Object.entries({ sum: SUM, count: COUNT })) {
  const address = `0x${(REGISTERS + offset).toString(16)}`
  shell.send(`devmem ${address} 32\n`)
  const { match } = await shell.expect(/^0x[0-9A-F]{8}$(?=\n)/m)
  console.log(`guest: reads the ${name} at ${address}: ${Number(match)}`)
}

shell.send('poweroff -f\n')
const outcome = await ended
if (outcome.kind !== 'power-off') throw new Error(`the guest did not switch off: ${describeOutcome(outcome)}`)
console.log('host:  the guest has switched off')
