import { checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { Duplex } from 'node:stream'
import type { MachineOptions } from '../options.js'
import type { RestoreOptions } from '../restore-options.js'
import { parseSize } from '../size.js'

/** How far a migration is. */
export interface MigrationProgress {
  /** From 1 on; in the last one the guest stands still. */
  round: number
  /** How many bytes of memory have been sent, in all rounds; pages of zeros do not count. */
  sent: number
  /** How many bytes of memory the guest and its devices have written meanwhile, which are yet to be sent. */
  left: number
}

/** What of a migration can be told when it is over. */
export interface MigrationReport {
  rounds: number
  /** Bytes of memory that were sent. */
  sent: number
  /** How long the guest stood still, until the other side had it, in milliseconds. */
  downtime: number
}

interface PeerOptions {
  /** How long the other side may be silent while something is expected of it, in milliseconds: 1 to 2³¹ - 1. Default: 10,000. */
  timeout?: number
  /** Gives the migration up: the source goes on, the target has nothing. Once the target has been told to go on it has no effect. */
  signal?: AbortSignal
}

export interface MigrateOptions extends PeerOptions {
  /**
   * How long the guest may stand still while the last of its memory is sent, in milliseconds, by the speed that was measured; its state,
   * which is some 100 KiB, comes on top. Default: 300.
   */
  downtime?: number
  /** After how many rounds with a guest that still writes too much it is given up: 1 to 10,000. Default: 30. */
  rounds?: number
  /** Called after each round. */
  progress?: (progress: MigrationProgress) => void
  /**
   * Another stream to the same target, for when this one breaks at the one moment after which only the target can say whether it has the
   * machine. Called until the promise of one of its streams brings an answer, or it rejects.
   */
  reconnect?: () => Duplex | Promise<Duplex>
}

/** What a machine that is received has beside what it had. */
export interface ReceiveOptions extends Omit<RestoreOptions, 'devices'>, PeerOptions {
  /**
   * Makes the same devices anew: called when the machine's memory is here. The source stands still then, and has let go of its disks,
   * so that they can be opened here. Default: none.
   */
  devices?: () => NonNullable<MachineOptions['devices']> | Promise<NonNullable<MachineOptions['devices']>>
  /** How much memory a machine may have, in bytes, or a string like `512M`. One with more is refused before any is allocated. Default: 4 GiB. */
  maxMemory?: number | string
}

const DEFAULT_TIMEOUT = 10_000
const DEFAULT_DOWNTIME = 300
const DEFAULT_ROUNDS = 30
const DEFAULT_MEMORY = 2 ** 32
const MOST_MS = 2 ** 31 - 1

export interface CheckedMigrateOptions {
  downtime: number
  rounds: number
  timeout: number
  signal: AbortSignal | undefined
  progress: MigrateOptions['progress']
  reconnect: MigrateOptions['reconnect']
}

export function checkMigrateOptions(stream: Duplex, options: MigrateOptions): CheckedMigrateOptions {
  checkStream('stream', stream)
  checkOptions('options', options, ['downtime', 'rounds', 'timeout', 'progress', 'reconnect', 'signal'])
  const { progress, reconnect } = options
  for (const [name, value] of Object.entries({ progress, reconnect })) {
    if (value !== undefined && typeof value !== 'function') throw invalidArgument(name, value, 'a function')
  }
  return {
    downtime: checkInteger('downtime', options.downtime ?? DEFAULT_DOWNTIME, 0, MOST_MS),
    rounds: checkInteger('rounds', options.rounds ?? DEFAULT_ROUNDS, 1, 10_000),
    ...checkPeer(options),
    ...{ progress, reconnect },
  }
}

export interface CheckedReceiveOptions {
  timeout: number
  signal: AbortSignal | undefined
  devices: NonNullable<ReceiveOptions['devices']>
  maxMemory: number
  restore: Omit<RestoreOptions, 'devices'>
}

export function checkReceiveOptions(stream: Duplex, options: ReceiveOptions): CheckedReceiveOptions {
  checkStream('stream', stream)
  checkOptions('options', options, [
    ...['devices', 'maxMemory', 'timeout', 'signal'],
    ...['onReset', 'pausedClock', 'strict', 'kvm', 'boot', 'regions'],
  ])
  const { devices = () => [], maxMemory = DEFAULT_MEMORY, timeout: _, signal: __, ...restore } = options
  if (typeof devices !== 'function') {
    throw invalidArgument('devices', devices, 'a function that makes the devices, once the source has let go of them')
  }
  const most = checkInteger('maxMemory', parseSize('maxMemory', maxMemory), 0, Number.MAX_SAFE_INTEGER)
  return { ...checkPeer(options), devices, maxMemory: most, restore }
}

function checkPeer({ timeout = DEFAULT_TIMEOUT, signal }: PeerOptions) {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal', signal, 'an AbortSignal')
  }
  return { timeout: checkInteger('timeout', timeout, 1, MOST_MS), signal }
}

/** Of bytes, in both directions. */
export function checkStream(name: string, stream: unknown): void {
  const { read, write, readableObjectMode, writableObjectMode, readableEncoding } = (stream ?? {}) as Partial<Duplex>
  const isDuplex = typeof read === 'function' && typeof write === 'function'
  if (isDuplex && readableObjectMode === false && writableObjectMode === false && readableEncoding === null) return
  throw invalidArgument(name, stream, 'a Duplex stream of bytes, such as a socket')
}
