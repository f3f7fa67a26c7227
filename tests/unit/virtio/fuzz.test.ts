// Any guest at all in front of each virtio device, on both transports: registers, rings, memory, configuration space; BARs that move,
// and resets in the middle. Nothing is thrown, nothing hangs, and a driver that resets the device can use it again.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Block, Console, Rng, type VirtioDevice } from '../../../lib/virtio/index.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { Echo } from './echo.js'
import { mmioTarget, pciTarget, QUEUE_SIZE, REGISTERS, type Target } from './fuzz-targets.js'
import type { SplitQueue } from './mmio-driver.js'

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

const DEVICES: Record<string, () => VirtioDevice> = {
  Echo: () => new Echo([QUEUE_SIZE, QUEUE_SIZE]),
  Rng: () => new Rng(),
  Block: () => new Block(lazyDisk(), { queues: 2 }),
  Console: () => talkativeConsole(),
}
const TRANSPORTS = { mmio: mmioTarget, pci: pciTarget }

/** Where drivers have things, and where nothing is; and the device's own registers. */
const address = fc.oneof(
  fc.integer({ min: 0x1000, max: 0x3000 }),
  fc.nat(0xffff),
  fc.constantFrom(0, 0xffff, 0x1_0000, 0xd000_0000, 0xe100_0000, 0xffff_ffff, 2 ** 40, 2 ** 52),
)
const length = fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, 512, 0xffff_ffff), fc.nat(0x1000))
const flags = fc.oneof({ weight: 9, arbitrary: fc.nat(7) }, { weight: 1, arbitrary: fc.nat(0xffff) })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 8 })

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('start' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('descriptor' as const), queue: fc.nat(1), slot: fc.nat(QUEUE_SIZE - 1) },
      ...{ address, length, flags, next: fc.nat(QUEUE_SIZE) },
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('available' as const), queue: fc.nat(1), head: fc.nat(QUEUE_SIZE) }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('notify' as const), queue: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('memory' as const), address: fc.nat(0xfff0), bytes }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('read' as const, 'write' as const),
      offset: fc.oneof(fc.nat(0x120), fc.nat(REGISTERS)),
      bytes,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('configure' as const), offset: fc.nat(0xff), value: fc.nat(0xffff_ffff) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('turn' as const, 'pause' as const, 'resume' as const, 'state' as const),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** What the guest does. It waits for no access, as another of its processors would not. */
async function take(target: Target, queues: SplitQueue[], step: Step): Promise<void> {
  switch (step.kind) {
    case 'start':
      queues.splice(0, queues.length, ...(await target.start()))
      break
    case 'descriptor': {
      const queue = queues[step.queue]
      queue?.writeDescriptor(queue.descriptors, step.slot, step.address, step.length, step.flags, step.next)
      break
    }
    case 'available':
      queues[step.queue]?.makeAvailable(step.head)
      break
    case 'notify':
      target.notify(step.queue)
      break
    case 'memory':
      target.memory.write(step.address, step.bytes)
      break
    case 'read':
      void target.read(step.offset, step.bytes)
      break
    case 'write':
      void target.write(step.offset, step.bytes)
      break
    case 'configure':
      target.configure(step.offset, step.value)
      break
    case 'pause':
      await target.pause()
      break
    case 'resume':
      target.resume()
      break
    case 'state': {
      // A machine saves while it is paused.
      await target.pause()
      const state = JSON.parse(JSON.stringify(target.save())) as object
      target.restore(state)
      expect(target.save()).toEqual(state)
      target.resume()
      break
    }
    case 'turn':
      await turn()
  }
}

const table = Object.entries(DEVICES).flatMap(([name, make]) =>
  Object.entries(TRANSPORTS).map(([transport, put]) => [name, transport, () => put(make())] as const),
)

test.each(table)('%s over %s: whatever its guest does, it can be reset and used', async (_name, _transport, make) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const target = make()
      const queues: SplitQueue[] = []
      for (const each of steps) await take(target, queues, each)
      target.resume()
      const [queue] = await target.start()
      expect(target.status).toBe(15)
      if (queue === undefined) throw new Error('there is a queue')
      // A request that each of them answers, if with an error: 16 bytes to read, and a byte to write.
      target.memory.fill(0x8000, 0x100, 0)
      queue.writeDescriptor(queue.descriptors, 0, 0x8000, 16, 1, 1)
      queue.writeDescriptor(queue.descriptors, 1, 0x8080, 513, 2)
      queue.makeAvailable(0)
      target.notify(0)
      for (let turns = 0; turns < 20 && target.memory.loadUint16(queue.used + 2) === 0; turns++) await turn()
      expect([target.memory.loadUint16(queue.used + 2), target.status]).toEqual([1, 15])
    }),
    fuzzRuns(0.2),
  )
})
