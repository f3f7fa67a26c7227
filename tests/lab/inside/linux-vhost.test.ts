// A Linux guest whose frames the kernel moves between its queues and a tap: vhost-net.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { openTap, virtio } from 'node-kvm/machine'
import { Net } from 'node-kvm/virtio'
import { expect, onTestFinished, test } from 'vitest'
import { type LinuxGuest, outcomeOf, startLinux } from './linux.js'

const PIECES = 64
/** What `dd bs=64k count=64` makes of /dev/zero. */
const ZEROS = Buffer.alloc(PIECES * 65536)
/** The way back, frame by frame: over MMIO each may be an interrupt by way of JavaScript, and a guest lives four minutes here. */
const FEWER = ZEROS.subarray(0, 2 ** 19)
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

async function does(guest: LinuxGuest, command: string, answer: string | RegExp): Promise<void> {
  guest.console.send(`${command}\n`)
  await guest.console.expect(answer, { timeout: 240_000 })
  await guest.expect('# ')
}

/** A server of the host's. Who connects is closed when the test is over. */
async function listen(port: number, connected: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    connected(socket)
  })
  server.listen(port)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

/** A card, on an interface of the host that is 10.9.0.1 there. */
function plug() {
  const tap = openTap({ vhost: true })
  execFileSync('ip', ['addr', 'add', '10.9.0.1/24', 'dev', tap.name])
  execFileSync('ip', ['link', 'set', tap.name, 'up'])
  return new Net(tap, { mac: '52:54:00:00:00:09' })
}

async function goOnline(guest: LinuxGuest): Promise<void> {
  await guest.expect('# ')
  await does(guest, 'ip addr add 10.9.0.2/24 dev eth0 && ip link set eth0 up && echo is up', /^is up$(?=\n)/m)
  await does(guest, 'ping -c 3 10.9.0.1', '3 packets received')
}

test.each(['mmio', 'pci'] as const)(
  'over %s: pings, streams of bytes both ways, a pulled cable and a pause; JavaScript sees no frame',
  async (transport) => {
    const card = plug()
    const received: Buffer[] = []
    const whole = new Promise((resolve) => {
      void listen(5000, (socket) => {
        socket.on('data', (data) => received.push(data))
        socket.once('end', resolve)
      })
    })
    await listen(5001, (socket) => socket.end(FEWER))
    const guest = await startLinux({ then: 'drivers', memory: '192M', devices: [virtio(card, { transport })] })
    await goOnline(guest)
    await does(guest, 'dd if=/dev/zero bs=64k count=64 2>/dev/null | nc 10.9.0.1 5000; echo sent', /^sent$(?=\n)/m)
    await whole
    expect(md5(Buffer.concat(received))).toBe(md5(ZEROS))
    await does(guest, 'nc 10.9.0.1 5001 </dev/null | md5sum', md5(FEWER))
    card.link = false
    await does(guest, 'ping -c 1 -W 1 10.9.0.1', '0 packets received')
    card.link = true
    await guest.machine.pause()
    guest.machine.resume()
    await does(guest, 'ping -c 3 10.9.0.1', '3 packets received')
    expect(card.statistics).toMatchObject({ sentFrames: 0, receivedFrames: 0, malformed: 0 })
    guest.console.send('poweroff -f\n')
    await outcomeOf(guest, 'power-off')
  },
)

test.each(['mmio', 'pci'] as const)(
  'over %s: a reset in the middle of traffic, and the next life is online',
  async (transport) => {
    const card = plug()
    let bytes = 0
    await listen(5002, (socket) => socket.on('data', ({ length }) => (bytes += length)))
    const devices = [virtio(card, { transport })]
    const guest = await startLinux({ then: 'drivers', memory: '192M', devices })
    await goOnline(guest)
    guest.console.send('dd if=/dev/zero bs=64k 2>/dev/null | nc 10.9.0.1 5002 & sleep 3; reboot -f\n')
    await goOnline(guest)
    expect(bytes).toBeGreaterThan(0)
    guest.console.send('poweroff -f\n')
    await outcomeOf(guest, 'power-off')
  },
)
