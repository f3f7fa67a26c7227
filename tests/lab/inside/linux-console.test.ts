// Virtio consoles as Linux drives them: a terminal, and ports with names.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GuestConsole, virtio, virtioConsole } from 'node-kvm/machine'
import { Console } from 'node-kvm/virtio'
import { expect, onTestFinished, test } from 'vitest'
import { runOnTerminal } from '../../cli/terminal-session.js'
import { guestInitramfs, kernelPath, outcomeOf, PATIENCE, startLinux } from './linux.js'

test.each(['mmio', 'pci'] as const)(
  'over %s: a shell on hvc0, whose size changes; a port with a name, both ways',
  async (transport) => {
    const console = new GuestConsole()
    const terminal = virtioConsole({ console, size: { columns: 101, rows: 33 }, transport })
    const received: string[] = []
    const opens: boolean[] = []
    const device = new Console([
      {
        name: 'org.node-kvm.test',
        output: (bytes) => void received.push(Buffer.from(bytes).toString()),
        onOpen: (open) => void opens.push(open),
      },
    ])
    const [port] = device.ports
    const guest = await startLinux({ then: 'drivers', devices: [terminal, virtio(device, { transport })] })
    await guest.expect('# ')
    guest.console.send('setsid -c sh <>/dev/hvc0 >&0 2>&0\n')
    const ask = async (command: string, answer: RegExp) => {
      console.send(`${command}\n`)
      const { match } = await console.expect(answer, { timeout: PATIENCE })
      await console.expect('# ', { timeout: PATIENCE })
      return match
    }
    await console.expect('# ', { timeout: PATIENCE })
    await ask('stty size', /^33 101$/m)
    terminal.resize(80, 24)
    await ask('stty size', /^24 80$/m)

    await ask('cat /sys/class/virtio-ports/*/name', /^org\.node-kvm\.test$/m)
    expect(port.isOpen).toBe(false)
    await ask('exec 4<>/dev/vport1p0 && echo opened', /^opened$/m)
    expect(opens).toEqual([true])
    await ask('echo to the host >&4; echo said', /^said$/m)
    await expect.poll(() => received.join('')).toBe('to the host\n')
    port.receive(Buffer.from('to the guest\n'))
    await ask('head -n 1 <&4', /^to the guest$/m)
    await ask('exec 4>&-; echo closed', /^closed$/m)
    await expect.poll(() => opens).toEqual([true, false])
    console.send('poweroff -f\n')
    await outcomeOf(guest, 'power-off')
  },
  2 * PATIENCE,
)

/** The window gets another size when the file `resize` is there. */
const RUN = `
  (until [ -e resize ]; do sleep 0.2; done; stty rows 40 cols 90 </dev/tty) &
  sh -c 'echo $$ >pid; exec "$@"' sh "$@"; echo $? >status`

test(
  'node-kvm run --console virtio: a terminal is the whole console, and the guest knows its size when that changes',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-console-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    writeFileSync(join(folder, 'initrd'), guestInitramfs('cloud', { virtio: true }))
    const args = ['--kernel', kernelPath('cloud'), '--initrd', 'initrd', '--console', 'virtio']
    const session = runOnTerminal(folder, [...args, '--append', 'console=hvc0 quiet then=drivers'], { run: RUN })
    await session.expect('# ')
    session.type('stty size\r')
    await session.expect('33 101')
    writeFileSync(join(folder, 'resize'), '')
    // Not what is echoed.
    session.type("until stty size | grep '40 9[0]'; do sleep 1; done\r")
    await session.expect('40 90')
    session.type('poweroff -f\r')
    expect(await session.end()).toMatchObject({ status: 0 })
  },
  2 * PATIENCE,
)
