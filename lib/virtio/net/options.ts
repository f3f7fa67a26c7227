import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { RateLimits } from '../rate-limiter.js'
import type { NetBackend } from './backend.js'
import { parseMac, randomMac } from './mac-address.js'

export interface NetOptions {
  /** Its address: `52:54:00:12:34:56`. Default: one at random. */
  mac?: string
  /** How large frames may be, without their Ethernet header: 68 to 65535. Default: the driver's own idea, 1500. */
  mtu?: number
  /** How many pairs of queues, 1 to 64: useful up to as many as the guest has CPUs. Default: 1. */
  queuePairs?: number
  /** How many descriptors each queue has, a power of two up to 32768. Default: 256. */
  queueSize?: number
  /** Refuses what the guest sends from another address than `mac`, and any wish of it to have another one. Default: false. */
  checkSource?: boolean
  /** How much the guest may send, and receive; it can be changed while the guest runs. */
  sendLimits?: RateLimits
  receiveLimits?: RateLimits
  /** Called when the back end takes the link up or down. `error` says why it is down. */
  onLink?: (up: boolean, error?: unknown) => void
}

const NAMES: readonly (keyof NetOptions)[] = [
  ...(['mac', 'mtu', 'queuePairs', 'queueSize', 'checkSource'] as const),
  ...(['sendLimits', 'receiveLimits', 'onLink'] as const),
]
const UNSEEN = 'the frames of this back end do not pass the card'
const MAX_PAIRS = 64
const MAX_QUEUE_SIZE = 32768
const MIN_MTU = 68
const MAX_MTU = 65535

/** All of it, checked. */
export function checkNetOptions(backend: NetBackend, options: NetOptions) {
  checkOptions('options', options, NAMES)
  const { mac, mtu, onLink = () => undefined } = options
  const { attach, send } = (backend as Partial<NetBackend> | undefined) ?? {}
  if (typeof attach !== 'function' || typeof send !== 'function') {
    throw invalidArgument('backend', backend, 'a back end, such as the port of a NetSwitch')
  }
  const queueSize = checkInteger('queueSize', options.queueSize ?? 256, 1, MAX_QUEUE_SIZE)
  if (!Number.isInteger(Math.log2(queueSize))) throw invalidArgument('queueSize', queueSize, 'a power of two')
  checkServed(backend, options)
  if (typeof onLink !== 'function') throw invalidArgument('onLink', onLink, 'a function')
  return {
    mac: mac === undefined ? randomMac() : parseMac('mac', mac),
    mtu: mtu === undefined ? undefined : checkInteger('mtu', mtu, MIN_MTU, MAX_MTU),
    queuePairs: checkInteger('queuePairs', options.queuePairs ?? 1, 1, MAX_PAIRS),
    queueSize,
    checkSource: checkBoolean('checkSource', options.checkSource ?? false),
    onLink,
  }
}

/** What a card does with frames that it sees: with a server it sees none. */
function checkServed(backend: NetBackend, options: NetOptions): void {
  for (const name of ['sendLimits', 'receiveLimits'] as const) checkNoLimits(name, options[name] ?? {}, backend)
  if (backend.server === undefined) return
  const { checkSource = false, queuePairs = 1 } = options
  if (checkSource) throw invalidArgument('checkSource', checkSource, `false: ${UNSEEN}`)
  if (queuePairs !== 1)
    throw invalidArgument('queuePairs', queuePairs, '1: a back end that serves queues serves one pair')
}

/** Limits that nobody would keep to are refused. */
export function checkNoLimits(name: string, limits: RateLimits, { server }: NetBackend): void {
  if (server !== undefined && Object.values(limits).some((limit) => limit !== undefined)) {
    throw invalidArgument(name, limits, `left out: ${UNSEEN}`)
  }
}
