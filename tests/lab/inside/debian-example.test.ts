// The example that boots a Debian, by the command.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { copyOfDisk, PATIENCE, temporaryFolder } from './debian.js'
import { guestInitramfs, kernelPath } from './linux.js'

test(
  'debian-disk: what it leaves on the disk is there at its next start',
  async () => {
    const folder = temporaryFolder()
    const initrd = join(folder, 'initrd')
    writeFileSync(initrd, guestInitramfs('cloud', { virtio: true }))
    const args = ['dist/cli/main.js', 'example', 'debian-disk', kernelPath('cloud'), initrd, copyOfDisk(folder)]
    for (const start of [1, 2]) {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
      expect(stderr).toBe('')
      expect(stdout).toMatch(
        /^system: {3}Debian GNU\/Linux 12 \(bookworm\)\npackages: \d+\nroot: {5}\/dev\/vda +ext4 .*\n/,
      )
      expect(stdout).toContain(`starts:   ${start}\nhost:     the guest has read `)
    }
  },
  2 * PATIENCE,
)
