// @ts-check
// The root disk of the Debian guests of tests: what every Debian has, set up, and programs that use the devices. It has no kernel, since
// guests are started with one (linux.mjs), and no init system, but a script that gives a shell.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { addEntry, cachePath } from '../lab/cache.mjs'
import { debianPrograms, debianVersion, writeDebian } from '../lab/debian.mjs'
import { LabError } from '../lab/errors.mjs'
import { installedPrograms } from '../lab/packages.mjs'
import { quote } from '../lab/shell.mjs'
import { run } from '../lab/tool.mjs'

const NAME = 'debian-disk'
const SIZE = '512M'

const init = fileURLToPath(new URL('init/debian.sh', import.meta.url))
const command = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Nobody reads them there. */
const LEFT_OUT = ['doc', 'info', 'locale', 'man'].map((folder) => `/usr/share/${folder}/*`)

/** @type {import('../lab/debian.mjs').Debian} */
const debian = {
  architecture: 'amd64',
  release: 'bookworm',
  variant: 'essential',
  packages: ['e2fsprogs', 'fio', 'iperf3', 'iproute2', 'iputils-ping', 'kmod', 'mount', 'pciutils'],
  options: [
    ...LEFT_OUT.map((pattern) => `--dpkgopt=path-exclude=${pattern}`),
    `--customize-hook=install -m 755 ${quote(init)} "$1/usr/sbin/init" && echo debian >"$1/etc/hostname"`,
  ],
}
// Not with its options: in them is where this checkout lies.
const version = debianVersion({ ...debian, options: LEFT_OUT }, [SIZE, readFileSync(init, 'latin1')])
const path = () => join(cachePath(`${NAME}@${version}`), 'root.img')

/** @type {import('../lab/packages.mjs').Step} */
const disk = {
  title: 'Make the root disk of a Debian',
  isDone: () => existsSync(path()),
  run: () =>
    addEntry(NAME, version, async (folder) => {
      const archive = join(folder, '..', 'root.tar')
      await writeDebian(archive, debian)
      if (!existsSync(command)) await run('npm', ['run', '-s', 'build'], { cwd: join(command, '../../..') })
      await run(process.execPath, [command, 'disk', join(folder, 'root.img'), '--from', archive, '--size', SIZE])
    }),
}

/** What must be there, in the order in which it is made: the disk, and the host's end of what its programs measure. */
export const debianSteps = [
  installedPrograms({ ...debianPrograms, mke2fs: 'e2fsprogs', e2fsck: 'e2fsprogs', iperf3: 'iperf3' }),
  disk,
]

/** The path of the disk: a raw one with an ext4, for guests to read; who writes makes a copy. @public */
export function debianDisk() {
  if (!disk.isDone())
    throw new LabError('There is no root disk of a Debian: npm run lab -- --debian COMMAND makes it first')
  return path()
}
