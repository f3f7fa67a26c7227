import { KvmError } from '../../errors.js'
import { StateReader, type Versioned } from '../../state.js'
import type { NetCard } from './card.js'
import { formatMac, MAC_LENGTH } from './mac-address.js'
import { MAX_REMEMBERED, RX_MODES } from './receive-filter.js'
import type { Receiver } from './receiver.js'

export interface NetState extends Versioned {
  mac: number[]
  queuePairs: number
  /** Which frames the driver wants: a bit for each of the commands of class VIRTIO_NET_CTRL_RX. */
  modes: number
  unicast: number[]
  multicast: number[]
  /** The driver has been asked to tell the network where it is, and has not said that it has. */
  announcing: boolean
}

const STATE_VERSION = 2
const MAX_MAC = 2 ** 48 - 1

/** What a state is checked by. */
export interface NetFacts {
  name: string
  /** How many pairs of queues the card has. */
  pairs: number
  /** The only address that the guest may have. */
  source: Uint8Array | undefined
}

export function saveNet({ mac, filter, isAnnouncing }: NetCard, { pairs }: Receiver): NetState {
  const [unicast, multicast] = filter.addresses
  return {
    version: STATE_VERSION,
    mac: [...mac],
    queuePairs: pairs,
    modes: filter.modes,
    unicast: [...unicast],
    multicast: [...multicast],
    announcing: isAnnouncing,
  }
}

/** Reads all of it, and then takes it over. */
export function restoreNet(
  state: NetState,
  card: NetCard,
  receiver: Receiver,
  { name, pairs, source }: NetFacts,
): void {
  const reader = new StateReader(name, state, STATE_VERSION)
  const mac = Uint8Array.from(reader.integers('mac', MAC_LENGTH, 0xff, true))
  if (source !== undefined && formatMac(mac) !== formatMac(source)) throw otherMac(name, mac, source)
  const queuePairs = reader.integer('queuePairs', pairs, 1)
  const modes = reader.bits('modes', 2 ** RX_MODES.length - 1)
  const addresses = ['unicast', 'multicast'].map((each) => reader.integers(each, MAX_REMEMBERED, MAX_MAC))
  const announcing = reader.boolean('announcing')
  card.mac = mac
  card.isAnnouncing = announcing
  card.filter.modes = modes
  card.filter.addresses = [addresses[0] ?? [], addresses[1] ?? []]
  receiver.pairs = queuePairs
}

/** It would be silent: all that its guest sends would be refused. */
function otherMac(device: string, mac: Uint8Array, source: Uint8Array): KvmError {
  const [value, own] = [formatMac(mac), formatMac(source)]
  return new KvmError(
    'ERR_KVM_INVALID_STATE',
    `the saved state of ${device} has the address ${value}, and with checkSource this card has ${own} only; make it with mac: '${value}'`,
    { operands: { device, member: 'mac', value } },
  )
}
