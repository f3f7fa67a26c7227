// Any guest at all in front of each virtio device, on both transports: registers, rings, memory, configuration space; BARs that move,
// and resets in the middle. Nothing is thrown, nothing hangs, and a driver that resets the device can use it again.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fuzzRuns } from '../fuzz-runs.js'
import type { TransportState } from '../../../lib/virtio/index.js'
import { VIRTIO_F_RING_PACKED } from '../../../lib/virtio/features.js'
import { FUZZED } from './fuzz-devices.js'
import { pciBus } from '../pci/pci.js'
import { mmioTarget, pciTarget, QUEUE_SIZE, REGISTERS, type Target } from './fuzz-targets.js'
import { type SplitQueue, VERSION_1 } from './mmio-driver.js'

const TRANSPORTS = { mmio: mmioTarget, pci: pciTarget }

/** Where drivers have things, and where nothing is; and the device's own registers. */
const address = fc.oneof(
  fc.integer({ min: 0x1000, max: 0x3000 }),
  fc.nat(0xffff),
  fc.constantFrom(0, 0xffff, 0x1_0000, 0xd000_0000, 0xe010_0000, 0xffff_ffff, 2 ** 40, 2 ** 52),
)
/** Where a BAR may be put: free, taken, in RAM, nowhere. */
const place = fc.constantFrom(0, 0x1000, 0xd000_0000, 0xe000_0000, 0xe010_0000, 0xe020_0000, 0xf000_0000, 0xffff_ffff)
const MAX_QUEUE = 4
const any = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** Mostly without packed rings, which the driver's are not. */
const features = fc.oneof({ weight: 7, arbitrary: any.map((bits) => bits & ~VIRTIO_F_RING_PACKED) }, any)
const length = fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, 512, 0xffff_ffff), fc.nat(0x1000))
const flags = fc.oneof({ weight: 9, arbitrary: fc.nat(7) }, { weight: 1, arbitrary: fc.nat(0xffff) })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 8 })

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('start' as const), features }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('descriptor' as const), queue: fc.nat(MAX_QUEUE), slot: fc.nat(QUEUE_SIZE - 1) },
      ...{ address, length, flags, next: fc.nat(QUEUE_SIZE) },
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('available' as const),
      queue: fc.nat(MAX_QUEUE),
      head: fc.nat(QUEUE_SIZE),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('notify' as const), queue: fc.nat(MAX_QUEUE + 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resetQueue' as const), queue: fc.nat(MAX_QUEUE) }) },
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
  // A BAR moves, and is switched on and off, with what uses memory and interrupts.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const), place, command: fc.nat(7) }) },
  // A state that somebody has changed, and made its checksum fit.
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('forgery' as const), queue: fc.nat(MAX_QUEUE), status: fc.nat(0xff) },
      ring: fc.record({ available: fc.nat(0xffff), used: fc.nat(0xffff) }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom(...(['turn', 'pause', 'resume', 'state', 'reset', 'machineReset'] as const)),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** What the guest does. It waits for no access, as another of its processors would not. */
async function take(target: Target, queues: SplitQueue[], step: Step): Promise<void> {
  switch (step.kind) {
    case 'start':
      queues.splice(0, queues.length, ...(await target.start(VERSION_1 | (step.features & target.features))))
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
    case 'resetQueue':
      target.resetQueue(step.queue)
      break
    case 'configure':
      target.configure(step.offset, step.value)
      break
    case 'move':
      target.configure(0x10, step.place)
      target.configure(4, step.command, 2)
      break
    case 'reset':
      void target.reset()
      break
    case 'machineReset':
      void target.machineReset()
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
    case 'forgery':
      await target.pause()
      restoreForged(target, step)
      target.resume()
      break
    case 'turn':
      await turn()
  }
}

function restoreForged(target: Target, { queue, status, ring }: Extract<Step, { kind: 'forgery' }>): void {
  const state = target.save() as TransportState
  const queues = state.queues.map((each, index) => (index === queue ? { ...each, ready: true, ring } : each))
  try {
    target.restore({ ...state, status, queues })
  } catch (error) {
    expect([error, target.save()]).toMatchObject([{ code: 'ERR_KVM_INVALID_STATE' }, state])
  }
}

/** A driver that begins anew can use it: a request is answered. */
async function expectUse(target: Target, index: number): Promise<void> {
  const queue = (await target.start())[index]
  expect(target.status).toBe(15)
  if (queue === undefined) throw new Error('there is a queue')
  target.memory.fill(0x8000, 0x1000, 0)
  queue.writeDescriptor(queue.descriptors, 0, 0x8000, 16, 1, 1)
  queue.writeDescriptor(queue.descriptors, 1, 0x8080, 513, 2)
  queue.makeAvailable(0)
  target.notify(index)
  for (let turns = 0; turns < 20 && target.memory.loadUint16(queue.used + 2) === 0; turns++) await turn()
  expect([target.memory.loadUint16(queue.used + 2), target.status]).toEqual([1, 15])
}

const table = Object.entries(FUZZED).flatMap(([name, [make, queue]]) =>
  Object.entries(TRANSPORTS).map(([transport, put]) => [name, transport, () => put(make()), queue] as const),
)

test.each(table)(
  '%s over %s: whatever its guest does, it can be reset and used',
  async (_name, _transport, make, queue) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
        const target = make()
        const queues: SplitQueue[] = []
        for (const each of steps) await take(target, queues, each)
        target.resume()
        await expectUse(target, queue)
      }),
      fuzzRuns(0.2),
    )
  },
)

test('all of them on one bus, and in the same memory: whatever the guest does to one, each can be used', async () => {
  const which = fc.nat(2 * Object.keys(FUZZED).length - 1)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(which, step), { maxLength: 200, size: 'max' }), async (steps) => {
      const bus = pciBus()
      const targets = Object.values(FUZZED).flatMap(([make, queue], index) => [
        { queue, queues: [] as SplitQueue[], target: mmioTarget(make(), bus, 0xd000_0000 + 0x1000 * index) },
        { queue, queues: [] as SplitQueue[], target: pciTarget(make(), bus) },
      ])
      for (const [index, each] of steps) {
        const { target, queues } = targets[index] as (typeof targets)[number]
        await take(target, queues, each)
      }
      for (const { target } of targets) target.resume()
      await Promise.all(targets.map(({ target }) => target.machineReset()))
      for (const { target, queue } of targets) {
        await expectUse(target, queue)
        await target.machineReset()
      }
    }),
    fuzzRuns(0.1),
  )
})
