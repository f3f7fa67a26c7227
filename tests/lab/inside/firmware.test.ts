// Debian's SeaBIOS, which the lab's emulator comes with.
import { DebugConsole } from 'node-kvm/devices'
import { firmware, GuestConsole, Machine, virtio } from 'node-kvm/machine'
import { Block } from 'node-kvm/virtio'
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

test('SeaBIOS boots from a virtio disk on PCI', async () => {
  const sector = new Uint8Array(512)
  // mov al, 0x15; out 0xf4, al
  sector.set([0xb0, 0x15, 0xe6, 0xf4])
  sector.set([0x55, 0xaa], 510)
  const disk = {
    size: 1 << 20,
    read(offset: number, bytes: Uint8Array) {
      bytes.fill(0)
      if (offset === 0) bytes.set(sector)
    },
  }
  using machine = await Machine.create({
    boot: firmware({ image: IMAGE }),
    devices: [virtio(new Block(disk), { transport: 'pci' })],
  })
  expect(await machine.run({ timeout: 240_000 })).toMatchObject({ kind: 'exit', value: 0x15 })
})
