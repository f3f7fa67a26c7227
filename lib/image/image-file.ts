// Not node:fs/promises: to load that takes longer than to read a kernel.
import { close, constants, fstat, open, read, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import { KvmError } from '../errors.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { imageError } from './image-error.js'

const MIB = 1024 ** 2
const DEFAULT_MAX_SIZE = 1024 * MIB
/** One read is no larger than this. */
const STEP = 16 * MIB

export interface ReadImageOptions {
  /** For messages: `kernel`, `initrd`. Default: `image`. */
  name?: string
  /** A larger file is refused. Default: 1 GiB. */
  maxSize?: number
}

/**
 * Reads an image: a regular file, not empty, not too large, and the same while it is read. Everything else throws
 * `ERR_KVM_BOOT_IMAGE`.
 */
export async function readImage(path: string, options: ReadImageOptions = {}): Promise<Uint8Array> {
  if (typeof path !== 'string' || path === '') throw invalidArgument('path', path, 'a path')
  checkOptions('options', options, ['name', 'maxSize'])
  const { name = 'image' } = options
  const maxSize = checkInteger('maxSize', options.maxSize ?? DEFAULT_MAX_SIZE, 1, 2 ** 32)
  const refuse = (field: string, problem: string, cause?: unknown) =>
    imageError({ image: `${name} ${path}`, field }, problem, { path, ...(cause === undefined ? {} : { cause }) })

  let file: number | undefined
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer.
    file = await promisify(open)(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    const stats = await promisify(fstat)(file)
    if (!stats.isFile()) throw refuse('type', `it is ${kindOf(stats)}, not a regular file`)
    if (stats.size === 0) throw refuse('size', 'the file is empty')
    if (stats.size > maxSize) throw refuse('size', `${stats.size} bytes; ${maxSize} are allowed`)
    const bytes = await readAll(file, stats.size)
    const after = await promisify(fstat)(file)
    if (bytes === undefined || after.size !== stats.size) {
      throw refuse('size', `it changed from ${stats.size} to ${after.size} bytes while it was read`)
    }
    return bytes
  } catch (error) {
    if (error instanceof KvmError) throw error
    throw refuse('file', reasonOf(error), error)
  } finally {
    if (file !== undefined) await promisify(close)(file)
  }
}

/** Undefined when the file ends before `size`. */
async function readAll(file: number, size: number): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(size)
  for (let filled = 0; filled < size;) {
    const { bytesRead } = await promisify(read)(file, bytes, filled, Math.min(STEP, size - filled), filled)
    if (bytesRead === 0) return undefined
    filled += bytesRead
  }
  return bytes
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO'
  if (stats.isSocket()) return 'a socket'
  return 'a device'
}

const REASONS = new Map([
  ['ENOENT', 'there is no such file'],
  ['EACCES', 'this user may not read it'],
  ['ENXIO', 'it is a socket, not a regular file'],
])

function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return REASONS.get(code) ?? (error instanceof Error ? error.message : String(error))
}
