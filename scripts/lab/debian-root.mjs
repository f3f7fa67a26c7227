// @ts-check
// A Debian for another processor than this machine's, as a folder: packages that are unpacked and not set up, for no program of theirs
// runs here.

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { addEntry, cachePath } from './cache.mjs'
import { LabError } from './errors.mjs'
import { resolveModules } from './kernel-modules.mjs'
import { run } from './tool.mjs'

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** What makes the folder, for `installedPrograms`. */
export const debianRootPrograms = { mmdebstrap: 'mmdebstrap', [KEYRING]: 'debian-archive-keyring' }

/** /bin is /usr/bin, as in every Debian of today. */
const MERGED_USR = '/usr/share/mmdebstrap/hooks/merged-usr'

/**
 * @param {object} options
 * @param {string} options.architecture  as Debian calls it
 * @param {string} options.release
 * @param {readonly string[]} options.packages  with a kernel among them; what they depend on comes, too
 */
export function debianRoot({ architecture, release, packages }) {
  const name = `debian-${architecture}`
  const version = createHash('sha256')
    .update([release, ...packages].join())
    .digest('hex')
    .slice(0, 12)
  const path = () => cachePath(`${name}@${version}`)

  /** @param {string} folder @param {string} prefix */
  function findIn(folder, prefix) {
    const found = readdirSync(join(path(), folder)).find((entry) => entry.startsWith(prefix))
    if (found === undefined) throw new LabError(`${path()} has no ${folder}/${prefix}*`)
    return join(path(), folder, found)
  }

  return {
    title: `Download a Debian for ${architecture}`,
    isDone: () => existsSync(path()),
    run: () =>
      addEntry(name, version, async (folder) => {
        const archive = join(folder, '..', 'root.tar')
        await run('mmdebstrap', [
          ...[`--architectures=${architecture}`, '--variant=extract', '--skip=output/mknod'],
          ...[`--hook-dir=${MERGED_USR}`, `--keyring=${KEYRING}`, `--include=${packages.join()}`],
          ...[release, archive],
        ])
        await run('tar', ['--extract', '--no-same-owner', '--file', archive, '--directory', folder])
      }),
    path,
    /** The kernel as the package has it. */
    vmlinuz: () => findIn('boot', 'vmlinuz-'),
    /** @param {readonly string[]} wanted */
    modules: (wanted) => resolveModules(findIn('usr/lib/modules', ''), wanted),
  }
}
