// A Debian on a virtio disk, by one line of the command.
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { copyOfDisk, PATIENCE, runDebian, temporaryFolder } from './debian.js'

/** Writes all over a file of the root file system, past the guest's page cache, and reads back what has become of it. */
const FIO = [
  'fio --name=verify --filename=/root/verify --size=2M --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=16',
  '--verify=crc32c --verify_fatal=1 --eta=never',
].join(' ')

/** What lspci says of each device: its name, its driver, and where its vectors are. */
const FUNCTIONS = [
  /^00:00\.0 Host bridge: Intel Corporation /m,
  /^00:0\d\.0 .*: Red Hat, Inc\. Virtio 1\.0 console .*\n(\t.*\n)*?\tKernel driver in use: virtio-pci$/m,
  /^00:0\d\.0 .*: Red Hat, Inc\. Virtio 1\.0 block device .*\n(\t.*\n)*?\tKernel driver in use: virtio-pci$/m,
  /^00:0\d\.0 Ethernet controller: Red Hat, Inc\. Virtio 1\.0 network device .*\n(\t.*\n)*?\tCapabilities: \[98\] MSI-X: Enable\+ /m,
  /^00:0\d\.0 .*: Red Hat, Inc\. Virtio 1\.0 RNG .*\n(\t.*\n)*?\tCapabilities: \[40\] Vendor Specific Information: VirtIO: CommonCfg$/m,
]

test.each(['mmio', 'pci'] as const)(
  'over %s it comes to a shell, fio finds what it wrote, and the file system is whole',
  async (transport) => {
    const folder = temporaryFolder()
    const root = copyOfDisk(folder)
    const devices = ['--disk', `${root},id=root`, '--net', 'none', '--rng', '--virtio', transport]
    const { shell, status } = await runDebian(folder, devices)
    expect(await shell.ask('cat /etc/debian_version; cat /sys/block/vda/serial; echo; ls -1 /sys/class/net')).toMatch(
      /^12\.\d+\nroot\neth0\nlo\n$/,
    )
    expect(await shell.ask('cat /sys/class/misc/hw_random/rng_current')).toMatch(/^virtio_rng/)
    expect(await shell.ask(FIO)).toMatch(/^verify: .*err= 0/m)
    if (transport === 'pci') {
      // It looks for modules of a driver's, too, and there are none.
      const functions = await shell.ask('lspci -vv 2>/dev/null')
      for (const each of FUNCTIONS) expect(functions).toMatch(each)
      // What it cannot read, and what it finds wrong.
      expect(functions).not.toMatch(/access denied|!!!/)
    }
    shell.leave()
    expect(await status()).toBe(0)
    // What a repair would find: nothing.
    execFileSync('e2fsck', ['-fn', root])
  },
  2 * PATIENCE,
)
