// @ts-check
// The archive format of an initramfs: cpio "newc" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
// Written here because it is thirty lines, and because it lets one start add files without a temporary tree.

/**
 * @typedef {object} ArchiveEntry
 * @property {string} path      without a leading slash
 * @property {number} mode      type and permission bits, as in stat(2)
 * @property {Uint8Array} data  a file's bytes; a symbolic link's target
 */

const S_IFDIR = 0o040000
const S_IFREG = 0o100000
const S_IFLNK = 0o120000

/** @param {string} path @returns {ArchiveEntry} */
export const directory = (path) => ({ path, mode: S_IFDIR | 0o755, data: new Uint8Array() })

/** @param {string} path @param {Uint8Array | string} data @param {number} [permissions] @returns {ArchiveEntry} */
export const file = (path, data, permissions = 0o644) => ({
  path,
  mode: S_IFREG | permissions,
  data: Buffer.from(data),
})

/** @param {string} path @param {string} target @returns {ArchiveEntry} */
export const symlink = (path, target) => ({ path, mode: S_IFLNK | 0o777, data: Buffer.from(target) })

/** The kernel wants every header and every body to start on a multiple of four.
 * @param {number} length */
const padding = (length) => Buffer.alloc((4 - (length % 4)) % 4)

/** @param {number} inode @param {ArchiveEntry} entry */
function* record(inode, entry) {
  const name = Buffer.from(entry.path + '\0')
  const fields = {
    inode,
    mode: entry.mode,
    uid: 0,
    gid: 0,
    links: 1,
    mtime: 0,
    size: entry.data.length,
    deviceMajor: 0,
    deviceMinor: 0,
    nodeMajor: 0,
    nodeMinor: 0,
    nameSize: name.length,
    checksum: 0,
  }
  const numbers = Object.values(fields).map((value) => value.toString(16).padStart(8, '0'))
  const header = Buffer.concat([Buffer.from('070701' + numbers.join('')), name])
  yield header
  yield padding(header.length)
  yield entry.data
  yield padding(entry.data.length)
}

/**
 * Packs entries into one archive. Parent directories must come before what is in them.
 * @param {Iterable<ArchiveEntry>} entries
 * @returns {Buffer}
 */
export function pack(entries) {
  const chunks = []
  let inode = 1
  for (const entry of entries) chunks.push(...record(inode++, entry))
  chunks.push(...record(0, { path: 'TRAILER!!!', mode: 0, data: new Uint8Array() }))
  return Buffer.concat(chunks)
}
