// Virtio devices as Linux finds them.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDisk, virtio } from 'node-kvm/machine'
import { Block, Rng } from 'node-kvm/virtio'
import { expect, onTestFinished, test } from 'vitest'
import { guestInitramfs, kernelPath, outcomeOf, startLinux } from './linux.js'

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

test('what a guest has synchronized survives a SIGKILL of its VMM, and the file system is whole', async () => {
  const folder = temporaryFolder()
  const [image, initrd] = [join(folder, 'disk'), join(folder, 'initrd')]
  execFileSync('mke2fs', ['-q', '-t', 'ext4', image, '64M'])
  writeFileSync(initrd, guestInitramfs('cloud', { virtio: true }))
  const vmm = spawn(process.execPath, [
    ...['dist/cli/main.js', 'run', '--kernel', kernelPath('cloud'), '--initrd', initrd, '--disk', image],
    ...['--append', 'console=ttyS0 quiet then=drivers'],
  ])
  onTestFinished(() => void vmm.kill('SIGKILL'))
  let said = ''
  const says = async (text: string | RegExp) => {
    while (said.search(text) < 0) said += String(((await once(vmm.stdout, 'data')) as [Buffer])[0])
  }
  await says('# ')
  const round = 'n=$(expr $n + 1); dd if=/dev/urandom of=/d/f$n bs=64k count=8 2>/dev/null; sync; echo synced $n'
  vmm.stdin.write(`mkdir /d; mount -t ext4 /dev/vda /d; n=0; while true; do ${round}; done\n`)
  await says(/^synced 5\r?$/m)
  vmm.kill('SIGKILL')
  await once(vmm, 'exit')
  // 0: clean, 1: the journal was replayed. Whatever else there is to repair has another status.
  expect([0, 1]).toContain(spawnSync('e2fsck', ['-p', image]).status)
  execFileSync('e2fsck', ['-fn', image])
  for (const file of ['f1', 'f5']) {
    expect(String(execFileSync('debugfs', ['-R', `stat /${file}`, image]))).toMatch(/Size: 524288/)
  }
}, 300_000)
