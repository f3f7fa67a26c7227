// Virtio devices as Linux finds them.
import { virtio } from 'node-kvm/machine'
import { Rng } from 'node-kvm/virtio'
import { expect, test } from 'vitest'
import { outcomeOf, startLinux } from './linux.js'

test('Linux finds virtio over MMIO by its tables, and takes random numbers', async () => {
  let bytes = 0
  const source = (part: Uint8Array) => {
    bytes += part.length
    part.fill(0x61)
  }
  const guest = await startLinux({ then: 'drivers', devices: [virtio(new Rng({ source }))] })
  await guest.expect('# ')
  guest.console.send(
    'cat /sys/class/misc/hw_random/rng_current; head -c 16 /dev/hwrng; echo; grep virtio /proc/interrupts\n',
  )
  await guest.expect('aaaaaaaaaaaaaaaa')
  await guest.expect('# ')
  guest.console.send('poweroff -f\n')
  await outcomeOf(guest, 'power-off')
  expect(bytes).toBeGreaterThanOrEqual(16)
})
