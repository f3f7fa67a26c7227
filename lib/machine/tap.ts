import { openTapQueue } from '../kvm/tap.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { NetTap } from '../virtio/net/tap.js'

export interface TapOptions {
  /** The interface's: one that is there, or a new one that goes with this process; `%d` in it is a free number. Default: `tap%d`. */
  name?: string
  /** How many queues, as the `queuePairs` of the card: 1 (the default) to 64. More than one needs an interface made for that. */
  queues?: number
}

const MAX_NAME = 15
const MAX_QUEUES = 64

/**
 * Opens a tap interface of the host, as what a network card is plugged into. Needs CAP_NET_ADMIN, or an interface that was made for
 * this user. Throws `ERR_KVM_NETWORK`.
 */
export function openTap(options: TapOptions = {}): NetTap {
  checkOptions('options', options, ['name', 'queues'])
  const { name = 'tap%d', queues = 1 } = options
  if (typeof name !== 'string' || name === '' || name.length > MAX_NAME || /[^\x21-\x7e]|[/:]/.test(name)) {
    throw invalidArgument('name', name, `the name of an interface, of at most ${MAX_NAME} characters`)
  }
  checkInteger('queues', queues, 1, MAX_QUEUES)
  let chosen = name
  return new NetTap(queues, (readable) => {
    const queue = openTapQueue(chosen, queues > 1, readable)
    chosen = queue.name()
    return queue
  })
}
