// @ts-check
// A Debian as an archive of files, made by mmdebstrap from packages and what they depend on.

import { createHash } from 'node:crypto'
import { run } from './tool.mjs'

/**
 * @typedef {object} Debian
 * @property {string} architecture  as Debian calls it
 * @property {string} release
 * @property {'extract' | 'essential'} variant  extract: the packages are unpacked and not set up, for no program of theirs runs here;
 *   essential: what every Debian has comes with them, and all is set up
 * @property {readonly string[]} packages
 * @property {readonly string[]} [options]  more of mmdebstrap's
 */

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** What makes the archive, for `installedPrograms`. */
export const debianPrograms = { mmdebstrap: 'mmdebstrap', [KEYRING]: 'debian-archive-keyring' }

/** /bin is /usr/bin, as in every Debian of today. */
const MERGED_USR = '/usr/share/mmdebstrap/hooks/merged-usr'

/** For an entry in the cache: another one for each choice. @param {Debian} debian @param {readonly string[]} [more]  what else it depends on */
export function debianVersion({ release, packages, options = [] }, more = []) {
  return createHash('sha256')
    .update([release, ...packages, ...options, ...more].join())
    .digest('hex')
    .slice(0, 12)
}

/** @param {string} archive  the tar file to be made @param {Debian} debian */
export async function writeDebian(archive, { architecture, release, variant, packages, options = [] }) {
  await run('mmdebstrap', [
    ...[`--architectures=${architecture}`, `--variant=${variant}`, '--skip=output/mknod'],
    ...[`--hook-dir=${MERGED_USR}`, `--keyring=${KEYRING}`, `--include=${packages.join()}`],
    ...[...options, release, archive],
  ])
}
