// Lesson 23, packet-filter: ten lines of JavaScript between two network cards decide which frames pass
import { Net, NetCallback } from 'node-kvm/virtio'
import { virtioAtKnownAddress, wordsOfGuest } from './shared/guest-machine.js'

let dropped = 0

/** A frame is bytes, from its Ethernet addresses on. */
function pass(frame: Uint8Array, to: NetCallback) {
  if (Buffer.from(frame).includes('password')) dropped++
  else to.deliver(frame)
}
const first: NetCallback = new NetCallback((frame) => pass(frame, second))
const second = new NetCallback((frame) => pass(frame, first))

// The guests are those of the lesson before, which know nothing of it.
const cards = [first, second].map((end, index) => new Net(end, { mac: `52:54:00:00:00:0${index + 1}` }))
const words = await Promise.all(cards.map((card) => wordsOfGuest('network-switch', [virtioAtKnownAddress(card)])))
process.stdout.write(words.join(''))
console.log(`host: ${dropped} frames did not pass`)
