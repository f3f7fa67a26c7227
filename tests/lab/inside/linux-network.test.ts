// Two Linux guests on one switch.
import { virtio } from 'node-kvm/machine'
import { Net, NetSwitch } from 'node-kvm/virtio'
import { expect, test } from 'vitest'
import { type LinuxGuest, outcomeOf, startLinux } from './linux.js'

async function does(guest: LinuxGuest, command: string, answer: string | RegExp): Promise<string> {
  guest.console.send(`${command}\n`)
  const { match } = await guest.console.expect(answer, { timeout: 120_000 })
  await guest.expect('# ')
  return match
}

test.each(['mmio', 'pci'] as const)(
  'over %s they ping each other, and a stream of bytes arrives whole',
  async (transport) => {
    const network = new NetSwitch()
    const cards = [1, 2].map((number) => new Net(network.port(), { mac: `52:54:00:00:00:0${number}` }))
    const guests: LinuxGuest[] = []
    for (const [index, card] of cards.entries()) {
      const guest = await startLinux({ then: 'drivers', memory: '192M', devices: [virtio(card, { transport })] })
      guests.push(guest)
      await guest.expect('# ')
      await does(
        guest,
        `ip addr add 10.0.0.${index + 1}/24 dev eth0 && ip link set eth0 up && echo is up`,
        /^is up$(?=\n)/m,
      )
    }
    const [one, two] = guests
    if (one === undefined || two === undefined) throw new Error('there are two guests')
    await does(two, 'ping -c 3 10.0.0.1', '3 packets received')
    one.console.send('nc -l -p 5000 | md5sum\n')
    await does(two, 'dd if=/dev/zero bs=64k count=64 2>/dev/null | nc 10.0.0.1 5000; echo sent', /^sent$(?=\n)/m)
    // 4 MiB of zeros.
    await one.expect('b5cfa9d6c8febd618f91ac2843d50a1c')
    await one.expect('# ')
    expect(cards.map(({ statistics }) => statistics.malformed)).toEqual([0, 0])
    for (const guest of guests) {
      guest.console.send('poweroff -f\n')
      await outcomeOf(guest, 'power-off')
    }
  },
)
