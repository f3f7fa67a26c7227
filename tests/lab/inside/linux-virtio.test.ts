// Virtio devices as Linux finds them.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDisk, virtio } from 'node-kvm/machine'
import { Block, Rng } from 'node-kvm/virtio'
import { expect, onTestFinished, test } from 'vitest'
import { outcomeOf, startLinux } from './linux.js'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-virtio-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  return folder
}

test.each(['mmio', 'pci'] as const)(
  'Linux finds virtio over %s: a disk with a file system, and random numbers',
  async (transport) => {
    const folder = temporaryFolder()
    const content = join(folder, 'content')
    mkdirSync(content)
    writeFileSync(join(content, 'hello'), 'from the host\n')
    const image = join(folder, 'disk')
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', content, image, '32M'])
    const source = (part: Uint8Array) => part.fill(0x61)
    const disk = new Block(await openDisk(image), { id: 'lab' })
    const guest = await startLinux({
      then: 'drivers',
      devices: [virtio(disk, { transport }), virtio(new Rng({ source }), { transport })],
    })
    const does = async (command: string, answer: string) => {
      await guest.expect('# ')
      guest.console.send(`${command}\n`)
      await guest.expect(answer)
    }
    await does('head -c 16 /dev/hwrng; echo', 'aaaaaaaaaaaaaaaa')
    await does('cat /sys/block/vda/serial /sys/block/vda/size', 'lab65536')
    await does('mkdir /disk && mount -t ext4 /dev/vda /disk && cat /disk/hello', 'from the host')
    await does(
      'dd if=/dev/urandom of=/disk/random bs=64k count=128 2>/dev/null; cd /disk; md5sum random > sum; cd /; echo done',
      'done',
    )
    await does(
      'umount /disk && mount -t ext4 /dev/vda /disk && cd /disk && md5sum random | cmp - sum && echo same',
      'same',
    )
    await guest.expect('# ')
    guest.console.send('cd /; umount /disk; poweroff -f\n')
    await outcomeOf(guest, 'power-off')
    // What a repair would find: nothing.
    execFileSync('e2fsck', ['-fn', image])
    const { write, flush, read } = disk.statistics
    expect(write.bytes).toBeGreaterThan(8 * 2 ** 20)
    expect([read.errors, write.errors, flush.errors, flush.operations > 0]).toEqual([0, 0, 0, true])
  },
)
