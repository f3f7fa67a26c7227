// PCI as Linux finds it: functions, BARs, MSI-X and configuration space as memory.
import { pci, virtio } from 'node-kvm/machine'
import { Rng } from 'node-kvm/virtio'
import { expect, test } from 'vitest'
import { outcomeOf, READY, startLinux } from './linux.js'

const IDENTITY = { vendor: 0x1234, device: 0x5678, class: 0xff_00_00 }

test('Linux finds functions of PCI, leaves what no driver is for alone, and drives virtio by its messages', async () => {
  let bytes = 0
  const source = (part: Uint8Array) => {
    bytes += part.length
    part.fill(0x61)
  }
  const constant = { read: (_: number, data: Uint8Array) => data.fill(0x5a), write: () => undefined }
  const own = pci({
    name: 'own',
    slot: 3,
    device: () => ({
      identity: IDENTITY,
      bars: [{ kind: 'memory', length: 0x1000, device: constant }],
      pin: true,
      vectors: 4,
    }),
  })
  const guest = await startLinux({
    ...{ then: 'drivers', cmdline: 'loglevel=6' },
    devices: [own, virtio(new Rng({ source }), { transport: 'pci' })],
  })
  await guest.expect(READY)
  await guest.expect('# ')
  const ask = async (command: string, answer: RegExp) => {
    guest.console.send(`${command}\n`)
    return (await guest.console.expect(answer, { timeout: 120_000 })).match
  }
  const folder = '/sys/bus/pci/devices/0000:00:03.0'
  await ask(`cat ${folder}/vendor ${folder}/device ${folder}/class`, /^0x1234\n0x5678\n0xff0000$/m)
  await ask(`ls ${folder}/driver; echo none`, /^none$/m)
  const bar = (await ask(`head -n 1 ${folder}/resource`, /^0x0*e0[0-9a-f]+ /m)).trim()
  expect(await ask(`devmem ${bar} 32`, /^0x5A5A5A5A$/m)).toBe('0x5A5A5A5A')
  // Capability 0x11 at 0x40; as many bytes as only ECAM reaches.
  await ask(`dd if=${folder}/config bs=1 skip=64 count=1 | hexdump -C`, /^0+ {2}11 /m)
  await ask('dmesg | grep -i -e mmconfig -e ECAM', /(MMCONFIG|ECAM).*0xe0000000/i)
  await ask('head -c 16 /dev/hwrng; echo', /a{16}/)
  await ask('grep -c PCI-MSI /proc/interrupts', /^[1-9]$/m)
  await ask('ls /sys/bus/pci/drivers/virtio-pci', /0000:00:01\.0/)
  guest.console.send('poweroff -f\n')
  await outcomeOf(guest, 'power-off')
  expect(bytes).toBeGreaterThanOrEqual(16)
})
