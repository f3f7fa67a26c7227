// Devices of a user's own, as Linux finds them by the firmware tables; and what a reset leaves of them.
import type { Device } from 'node-kvm'
import { Serial } from 'node-kvm/devices'
import { type DeviceNode, hpet } from 'node-kvm/machine'
import { expect, test } from 'vitest'
import { outcomeOf, READY, startLinux, type LinuxGuest } from './linux.js'

const BY_HAND = 0xd800_0000

async function ask(guest: LinuxGuest, command: string, answer: RegExp): Promise<string> {
  guest.console.send(`${command}\n`)
  const { match } = await guest.console.expect(answer, { timeout: 60_000 })
  return match
}

test('a driver of Linux binds to a device of the tables and counts its interrupts; over a reset all is still there', async () => {
  let written = ''
  const uart: DeviceNode = {
    name: 'uart',
    device: ({ interrupt }) =>
      new Serial({ interrupt: interrupt(), output: (bytes) => (written += Buffer.from(bytes).toString()) }),
    resources: [{ port: 'any', length: 8 }, { gsi: 'any' }],
    acpi: { hid: 'PNP0501', uid: 9 },
  }
  const guest = await startLinux({
    kernel: 'standard',
    then: 'shell',
    cmdline: 'quiet clocksource=hpet',
    devices: [uart, hpet()],
  })
  const constant: Device = { read: (_offset, data) => data.fill(0x5a), write: () => undefined }
  guest.machine.mmio.map(BY_HAND, 4, constant)
  for (const life of [1, 2]) {
    await guest.expect(READY)
    await guest.expect('# ')
    expect(await ask(guest, `devmem 0x${BY_HAND.toString(16)} 32`, /^0x[0-9A-F]{8}$(?=\n)/m)).toBe('0x5A5A5A5A')
    const source = '/sys/devices/system/clocksource/clocksource0/current_clocksource'
    expect(await ask(guest, `cat ${source}`, /^(hpet|tsc\S*|kvm-clock|acpi_pm)$(?=\n)/m)).toBe('hpet')
    // 8250_pnp gives it the first tty that has no port: COM1 and COM2 are the machine's.
    guest.console.send(`exec 3>/dev/ttyS2; echo life ${life} >&3; sleep 1; grep ttyS2 /proc/interrupts; exec 3>&-\n`)
    const { match } = await guest.console.expect(/^ *\d+: +(\d+) .*IO-APIC.*ttyS2$(?=\n)/m, { timeout: 60_000 })
    expect(match).toMatch(/^ *16: +[1-9]/)
    await guest.expect('# ')
    guest.console.send(life === 1 ? 'reboot -f\n' : 'poweroff -f\n')
  }
  await outcomeOf(guest, 'power-off')
  expect(written.replaceAll('\r', '')).toBe('life 1\nlife 2\n')
})
