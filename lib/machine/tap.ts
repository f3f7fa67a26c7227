import { openTapQueue, type TapQueue } from '../kvm/tap.js'
import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { NetTap } from '../virtio/net/tap.js'
import { VhostServer } from './vhost-server.js'

export interface TapOptions {
  /** The interface's: one that is there, or a new one that goes with this process; `%d` in it is a free number. Default: `tap%d`. */
  name?: string
  /** How many queues, as the `queuePairs` of the card: 1 (the default) to 64. More than one needs an interface made for that. */
  queues?: number
  /**
   * The kernel moves the frames (vhost-net): they never reach JavaScript, so the card has no limits, statistics, `checkSource` or further
   * queues. Needs /dev/vhost-net. Default: false.
   */
  vhost?: boolean
}

const MAX_NAME = 15
const MAX_QUEUES = 64

/**
 * Opens a tap interface of the host, as what a network card is plugged into. Needs CAP_NET_ADMIN, or an interface that was made for
 * this user. Throws `ERR_KVM_NETWORK`.
 */
export function openTap(options: TapOptions = {}): NetTap {
  checkOptions('options', options, ['name', 'queues', 'vhost'])
  const { name = 'tap%d', queues = 1 } = options
  const vhost = checkBoolean('vhost', options.vhost ?? false)
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME || /[^\x21-\x7e]|[/:]/.test(name)) {
    throw invalidArgument('name', name, `the name of an interface, of at most ${MAX_NAME} characters`)
  }
  checkInteger('queues', queues, 1, vhost ? 1 : MAX_QUEUES)
  let last: TapQueue | undefined
  const open = (readable: () => void) => {
    return (last = openTapQueue(last?.name() ?? name, queues > 1, readable))
  }
  const serve = () => new VhostServer(last as TapQueue)
  return new NetTap(queues, open, vhost ? serve : undefined)
}
