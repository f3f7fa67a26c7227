import type { NetCard } from './card.js'
import type { NetCommands } from './control-queue.js'
import * as F from './features.js'
import type { Receiver } from './receiver.js'

/** What a driver's commands do to a card that has so many pairs of queues; those of features that it has not accepted, nothing. */
export function netCommands(card: NetCard, receiver: Receiver, pairs: number): NetCommands {
  return {
    setMode: (mode, on) => {
      const isExtra = mode !== 'promiscuous' && mode !== 'allMulticast'
      if (!card.has(isExtra ? F.VIRTIO_NET_F_CTRL_RX_EXTRA : F.VIRTIO_NET_F_CTRL_RX)) return false
      card.filter.set(mode, on)
      return true
    },
    setAddresses: (unicast, multicast) => {
      if (!card.has(F.VIRTIO_NET_F_CTRL_RX)) return false
      card.filter.addresses = [unicast, multicast]
      return true
    },
    setMac: (mac) => {
      if (!card.has(F.VIRTIO_NET_F_CTRL_MAC_ADDR)) return false
      card.mac = mac
      return true
    },
    announced: () => {
      if (!card.has(F.VIRTIO_NET_F_GUEST_ANNOUNCE)) return false
      card.isAnnouncing = false
      return true
    },
    setQueuePairs: (wanted) => {
      if (!card.has(F.VIRTIO_NET_F_MQ) || wanted < 1 || wanted > pairs) return false
      receiver.pairs = wanted
      return true
    },
  }
}
