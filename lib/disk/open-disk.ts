import { realpath } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import { describeThrown, quote } from '../format.js'
import { checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { diskError } from './disk-error.js'
import type { Disk } from './disk.js'
import type { FileCalls } from './file-calls.js'
import { FileDisk, type FileDiskOptions } from './file-disk.js'
import { HEADER_BYTES, type Qcow2Header, readHeader } from './qcow2/header.js'
import { ImageFile } from './qcow2/image-file.js'
import { Qcow2Disk } from './qcow2/qcow2-disk.js'

export interface DiskOptions extends FileDiskOptions {
  /** Default: `raw`. It is not guessed: a guest can write anything into its disk, and what looks like an image's header, too. */
  format?: 'raw' | 'qcow2'
  /** What has the bytes that a qcow2 image does not have; it is closed with the image. For one that names a backing file. */
  backing?: Disk
  /** Otherwise: the folder in which, or below which, the backing files are that the image and those name. */
  backingFolder?: string
}

const FORMATS = ['raw', 'qcow2'] as const
/** More images on each other than anybody needs who has not made a loop of them. */
const MAX_DEPTH = 16

/** Opens a file as a disk. Throws `ERR_KVM_DISK` where that cannot be. */
export async function openDiskWith(
  path: string,
  options: DiskOptions,
  calls: FileCalls | undefined,
  depth = 0,
): Promise<Disk> {
  checkOptions('options', options, ['readonly', 'format', 'backing', 'backingFolder'])
  const { readonly = false, format = 'raw', backingFolder } = options
  checkOneOf('format', format, FORMATS)
  if (backingFolder !== undefined && typeof backingFolder !== 'string') {
    throw invalidArgument('backingFolder', backingFolder, 'a string')
  }
  const disk = await FileDisk.open(path, { readonly }, calls)
  if (format === 'raw') return disk
  let below: Disk | undefined
  try {
    const file = new ImageFile(path, disk)
    const first = new Uint8Array(Math.min(HEADER_BYTES, disk.size))
    await file.read(0, first)
    const header = readHeader(path, first, disk.size)
    if (!readonly && header.whyReadonly !== undefined) {
      throw diskError(path, `cannot be written to: ${header.whyReadonly}; open it with readonly`)
    }
    below = await openBacking(path, header, options, calls, depth)
    return await Qcow2Disk.open(file, header, readonly, below)
  } catch (error) {
    // The caller's own stays open.
    const opened = below === options.backing ? [disk] : [disk, below]
    await Promise.allSettled(opened.map((each) => each?.close?.()))
    throw error
  }
}

async function openBacking(
  path: string,
  { backing: named }: Qcow2Header,
  { backing, backingFolder }: DiskOptions,
  calls: FileCalls | undefined,
  depth: number,
): Promise<Disk | undefined> {
  if (named === undefined) {
    if (backing !== undefined) throw diskError(path, 'names no backing file, and so can have none')
    return undefined
  }
  if (backing !== undefined) return backing
  if (backingFolder === undefined) {
    throw diskError(
      path,
      `has a backing file, ${quote(named.name)}: open that yourself (backing), or name a folder that it may be in (backingFolder)`,
      { backing: named.name },
    )
  }
  if (depth === MAX_DEPTH) throw diskError(path, `stands on more than ${MAX_DEPTH} other images`)
  const format = FORMATS.find((known) => known === named.format)
  if (format === undefined) {
    throw diskError(
      path,
      `does not say that its backing file is raw or qcow2: "qemu-img rebase -u -F" writes that into it`,
    )
  }
  const file = await allowed(path, named.name, backingFolder)
  return openDiskWith(file, { readonly: true, format, backingFolder }, calls, depth + 1)
}

/** The backing file's own path, without symbolic links, if it is in the folder. */
async function allowed(path: string, name: string, folder: string): Promise<string> {
  try {
    const [file, within] = await Promise.all([realpath(resolve(dirname(path), name)), realpath(folder)])
    if (file.startsWith(join(within, sep))) return file
  } catch (cause) {
    throw diskError(path, `has a backing file that cannot be found: ${describeThrown(cause)}`, { backing: name }, cause)
  }
  throw diskError(path, `has a backing file outside of ${quote(folder)}: ${quote(name)}`, { backing: name })
}
