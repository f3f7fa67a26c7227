import type { Disk } from '../../disk/disk.js'
import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { RateLimits } from '../rate-limiter.js'
import { ID_SIZE } from './layout.js'
import type { BlockOperation } from './statistics.js'

/** The disk has failed at something: the guest has got an I/O error for it. */
export interface BlockFailure {
  /** What the disk threw. */
  error: unknown
  operation: BlockOperation
  /** In bytes; of all but a flush. */
  offset?: number
  length?: number
}

export interface BlockOptions {
  /** What the guest calls it, as in `/dev/disk/by-id/virtio-…`: at most 20 letters, digits and the like. Default: it has none. */
  id?: string
  /** How many queues it has, so that each vCPU can have its own: 1, the default, to 16. */
  queues?: number
  /** What the guest reads and writes at least: 512, the default, or 4096 bytes. */
  blockSize?: 512 | 4096
  limits?: RateLimits
  /** Called when the disk fails. */
  onError?: (failure: BlockFailure) => void
}

const MAX_QUEUES = 16
const METHODS = ['read', 'write', 'flush', 'readv', 'writev', 'discard', 'writeZeroes', 'close']

export function checkDisk(disk: Disk): Disk {
  const given: unknown = disk
  if (typeof given !== 'object' || given === null) throw invalidArgument('disk', given, 'a disk')
  const members = given as Record<string, unknown>
  for (const name of METHODS) {
    const isFunction = typeof members[name] === 'function'
    if (!isFunction && (name === 'read' || members[name] !== undefined)) {
      throw invalidArgument(`disk.${name}`, members[name], 'a function')
    }
  }
  return disk
}

export function checkBlockOptions(options: BlockOptions) {
  checkOptions('options', options, ['id', 'queues', 'blockSize', 'limits', 'onError'])
  const { id = '', blockSize = 512, limits = {}, onError = () => undefined } = options
  if (typeof id !== 'string' || !/^[\x20-\x7e]*$/.test(id) || id.length > ID_SIZE) {
    throw invalidArgument('id', id, `a string of at most ${ID_SIZE} printable ASCII characters`)
  }
  if (![512, 4096].includes(blockSize)) throw invalidArgument('blockSize', blockSize, '512 or 4096')
  if (typeof onError !== 'function') throw invalidArgument('onError', onError, 'a function')
  const queues = checkInteger('queues', options.queues ?? 1, 1, MAX_QUEUES)
  return { id, queues, blockSize, limits, onError }
}
