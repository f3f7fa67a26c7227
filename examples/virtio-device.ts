// Lesson 21, virtio-device: a virtio device of one's own, a dictionary, and its driver in user space
import { Registers } from 'node-kvm'
import type { VirtioDevice, Virtqueue } from 'node-kvm/virtio'
import { guestMachine, howItEnded, virtioAtKnownAddress } from './shared/guest-machine.js'

const LONGEST_WORD = 64 // a guest may send any number of bytes: no more than these are looked at

/** A driver sends a word, and gets back what the word means. */
class Dictionary implements VirtioDevice {
  readonly id = 0x3f // the kind of device: a number that none of the specification has
  readonly features = 0n
  readonly queueSizes = [8]
  // What a driver reads without asking: the configuration space.
  readonly config = new Registers([{ name: 'words', offset: 0, width: 4, read: () => this.#meanings.size }])
  readonly #meanings: ReadonlyMap<string, string>
  unknown = 0

  constructor(meanings: Record<string, string>) {
    this.#meanings = new Map(Object.entries(meanings))
  }

  /** The driver is ready: from now on each of its requests comes to this function, which may also return a promise. */
  startQueue(queue: Virtqueue) {
    queue.serve(({ readable, writable }) => {
      // Both are the guest's memory, which it can change while we look: what we work with is a copy.
      const meaning = this.#meanings.get(new TextDecoder().decode(readable.copy(0, LONGEST_WORD)))
      if (meaning === undefined) this.unknown++
      return meaning === undefined ? 0 : writable.set(new TextEncoder().encode(meaning)) // so many bytes are the answer
    })
  }
}

const dictionary = new Dictionary({
  exit: 'the moment when a guest stops, and its host goes on',
  ring: 'a queue whose end is its beginning',
  virtual: 'not there, and works',
})
using machine = await guestMachine('virtio-device', [virtioAtKnownAddress(dictionary)])
const outcome = await machine.run({ timeout: 60_000 })
console.log(`host:  ${dictionary.unknown} word was not in the dictionary`)
console.log(`host:  ${howItEnded(outcome)}`)
