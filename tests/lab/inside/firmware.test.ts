// Debian's SeaBIOS, which the lab's emulator comes with.
import { DebugConsole } from 'node-kvm/devices'
import { firmware, GuestConsole, Machine } from 'node-kvm/machine'
import { expect, test } from 'vitest'

const IMAGE = '/usr/share/seabios/bios.bin'
const LOG_PORT = 0x402

test('SeaBIOS starts, finds the devices of the machine, and gets to its boot menu', async () => {
  const log = new GuestConsole()
  const output = (bytes: Uint8Array) => {
    log.receive(bytes)
  }
  const logDevice = { name: 'log', device: new DebugConsole({ output }), resources: [{ port: LOG_PORT, length: 1 }] }
  using machine = await Machine.create({ boot: firmware({ image: IMAGE }), cpus: 2, devices: [logDevice] })
  const ended = machine.run()
  for (const line of ['SeaBIOS (version', 'Found 2 cpu(s)', 'PS2 keyboard initialized', 'Press ESC for boot menu']) {
    await log.expect(line, { timeout: 240_000 })
  }
  await machine.stop()
  expect(await ended).toMatchObject({ kind: 'stopped' })
})
