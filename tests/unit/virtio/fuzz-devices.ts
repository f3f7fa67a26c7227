// The devices that the fuzzers drive, and what is behind them: it takes its time, fails now and then, and speaks unasked.
import {
  Block,
  Console,
  Net,
  type NetPort,
  netFeatures as F,
  Rng,
  type VirtioDevice,
} from '../../../lib/virtio/index.js'
import { Echo } from './echo.js'

const QUEUE_SIZE = 8
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A disk that takes its time, and fails now and then. */
function lazyDisk() {
  let count = 0
  const turn = (bytes?: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        if (++count % 7 === 0) reject(new Error('a bad sector'))
        else {
          bytes?.fill(count)
          resolve()
        }
      })
    })
  return {
    size: 1 << 20,
    read: (_offset: number, bytes: Uint8Array) => turn(bytes),
    write: () => turn(),
    flush: () => turn(),
    discard: () => turn(),
    writeZeroes: () => turn(),
  }
}

/** A console that always has something to say, and takes its time to listen. */
function talkativeConsole(): Console {
  const say = () => void console.ports[0].receive(new Uint8Array(600))
  const output = () => new Promise<void>((resolve) => setImmediate(resolve))
  const console: Console = new Console([{ output, onOpen: say, onDrain: say }, { name: 'second' }])
  return console
}

/** A network that answers each frame with some, sends when there is room, and takes its time; it can do all that there is. */
function livelyNetwork() {
  let port: NetPort | undefined
  let count = 0
  const answer = () => {
    for (const length of [60, 1514, 5000]) port?.receive(new Uint8Array(length).fill(++count))
    port?.setLink(count % 5 !== 0)
  }
  return {
    features: F.SEND_OFFLOADS | F.RECEIVE_OFFLOADS,
    attach: (given: NetPort) => void (port = given),
    start: answer,
    resume: answer,
    async send() {
      await turn()
      answer()
    },
  }
}

/** What it is, and which of its queues answers a request of 16 bytes to read and some to write, if with an error. */
export const FUZZED: Record<string, [make: () => VirtioDevice, queue: number]> = {
  Echo: [() => new Echo([QUEUE_SIZE, QUEUE_SIZE]), 0],
  Rng: [() => new Rng(), 0],
  Block: [() => new Block(lazyDisk(), { queues: 2 }), 0],
  Console: [() => talkativeConsole(), 0],
  Net: [() => new Net(livelyNetwork(), { queuePairs: 2 }), 1],
}
