// Lesson 22, network-switch: two guests on one network find each other, and talk
import { Net, NetSwitch } from 'node-kvm/virtio'
import { virtioAtKnownAddress, wordsOfGuest } from './shared/guest-machine.js'

const hub = new NetSwitch()

// The host listens at a port of its own. It hears what is for all; the rest goes where it is to go.
let heard = 0
hub.port().attach({
  name: 'listener',
  features: 0n,
  receive: () => {
    heard++
    return true // it had room for the frame
  },
  setLink: () => undefined,
})

// Two machines in this process, each with a card. A guest that waits for a frame sleeps, and costs nothing.
const cards = [1, 2].map((number) => new Net(hub.port(), { mac: `52:54:00:00:00:0${number}` }))
const words = await Promise.all(cards.map((card) => wordsOfGuest('network-switch', [virtioAtKnownAddress(card)])))
process.stdout.write(words.join(''))
console.log(`host: of all that, ${heard} frames were for everybody`)
