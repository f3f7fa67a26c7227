// A driver takes one queue back and uses it anew, while the device works on (virtio 1.2, 2.6.1), on both transports.
import { describe, expect, test } from 'vitest'
import { VIRTIO_F_RING_RESET } from '../../../lib/virtio/features.js'
import { Echo } from './echo.js'
import { mmioTarget, pciTarget, type Target } from './fuzz-targets.js'
import { type SplitQueue, VERSION_1 } from './mmio-driver.js'

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const RESET = VERSION_1 | VIRTIO_F_RING_RESET

/** Has a byte echoed. */
function send(target: Target, queue: SplitQueue, index: number, byte: number): void {
  const { memory } = target
  memory.write(0x8000, Uint8Array.of(byte))
  memory.fill(0x9000, 1, 0)
  queue.writeDescriptor(queue.descriptors, 0, 0x8000, 1, 1, 1)
  queue.writeDescriptor(queue.descriptors, 1, 0x9000, 1, 2)
  queue.makeAvailable(0)
  target.notify(index)
}
const answered = ({ memory }: Target, { used }: SplitQueue) => [
  memory.read(0x9000, 1)?.[0],
  memory.loadUint16(used + 2),
]

describe.each(Object.entries({ mmio: mmioTarget, pci: pciTarget }))('over %s', (_, put) => {
  async function begin(features = RESET) {
    const echo = new Echo([8, 8])
    const target = put(echo)
    const queues = (await target.start(features)) as [SplitQueue, SplitQueue]
    return { echo, target, queues }
  }

  test('it is offered, and a queue that comes back begins at its beginning', async () => {
    const { target, queues } = await begin()
    expect(target.features & VIRTIO_F_RING_RESET).not.toBe(0n)
    for (const byte of [1, 2, 3]) send(target, queues[0], 0, byte)
    target.resetQueue(0)
    expect(target.queueState(0)).toEqual({ ready: 0, resetting: 0 })
    const again = target.setUpQueue(0)
    expect(target.queueState(0)).toEqual({ ready: 1, resetting: 0 })
    send(target, again, 0, 7)
    expect(answered(target, again)).toEqual([7, 1])
    expect(target.status).toBe(15)
  })

  test('in mid-I/O the registers say that it is not over, and the other queue works on', async () => {
    const { echo, target, queues } = await begin()
    echo.hold = true
    send(target, queues[0], 0, 1)
    target.resetQueue(0)
    expect(target.queueState(0)).toEqual({ ready: 1, resetting: 1 })
    echo.hold = false
    send(target, queues[1], 1, 2)
    expect(answered(target, queues[1])).toEqual([2, 1])
    // What the driver does too early changes nothing; nor does a second wish.
    target.setUpQueue(0)
    target.resetQueue(0)
    expect(target.queueState(0)).toEqual({ ready: 1, resetting: 1 })
    echo.release()
    await turn()
    expect(target.queueState(0)).toEqual({ ready: 0, resetting: 0 })
    const again = target.setUpQueue(0)
    send(target, again, 0, 3)
    expect(answered(target, again)).toEqual([3, 1])
  })

  test('a queue that is being reset gets no chains, after a pause neither', async () => {
    const { echo, target, queues } = await begin()
    echo.hold = true
    send(target, queues[0], 0, 1)
    target.resetQueue(0)
    queues[0].makeAvailable(2)
    target.notify(0)
    expect(echo.held).toBe(1)
    const paused = target.pause()
    target.resume()
    expect(echo.held).toBe(1)
    echo.release()
    await paused
    expect([target.queueState(0), echo.held]).toEqual([{ ready: 0, resetting: 0 }, 0])
  })

  test('a pause waits for it: the state of a paused device has no reset that is not over', async () => {
    const { echo, target, queues } = await begin()
    echo.hold = true
    send(target, queues[0], 0, 1)
    target.resetQueue(0)
    const paused = target.pause()
    echo.release()
    await paused
    expect(target.queueState(0)).toEqual({ ready: 0, resetting: 0 })
    const state = target.save()
    target.restore(state)
    target.resume()
    expect(target.save()).toEqual(state)
    echo.hold = false
    const again = target.setUpQueue(0)
    send(target, again, 0, 4)
    expect(answered(target, again)).toEqual([4, 1])
  })

  test('a reset of the device in the middle ends it', async () => {
    const { echo, target, queues } = await begin()
    echo.hold = true
    send(target, queues[0], 0, 1)
    target.resetQueue(0)
    const reset = target.reset()
    echo.release()
    await reset
    expect([target.status, target.queueState(0)]).toEqual([0, { ready: 0, resetting: 0 }])
    echo.hold = false
    const [again] = (await target.start(RESET)) as [SplitQueue]
    send(target, again, 0, 5)
    expect(answered(target, again)).toEqual([5, 1])
  })

  test('a thousand times, with a chain on its way each time', async () => {
    const { echo, target, queues } = await begin()
    echo.hold = true
    let [queue] = queues
    for (let time = 0; time < 1000; time++) {
      send(target, queue, 0, 1)
      target.resetQueue(0)
      echo.release()
      await turn()
      queue = target.setUpQueue(0)
    }
    expect([target.status, target.queueState(0)]).toEqual([15, { ready: 1, resetting: 0 }])
  })

  test('a driver that has not accepted it resets nothing, nor does one that names no queue', async () => {
    const { target } = await begin(VERSION_1)
    target.resetQueue(0)
    expect(target.queueState(0)).toEqual({ ready: 1, resetting: 0 })
    const other = await begin()
    for (const index of [2, 0x7fff, 0xffff]) {
      other.target.resetQueue(index)
      expect(other.target.queueState(index)).toEqual({ ready: 0, resetting: 0 })
    }
    expect(other.target.queueState(0)).toEqual({ ready: 1, resetting: 0 })
  })

  test('a device that cannot give its queue back waits to be reset', async () => {
    const echo = new Echo([8, 8])
    const target = put(Object.assign(echo, { stopQueue: () => Promise.reject(new Error('stuck')) }))
    await target.start(RESET)
    target.resetQueue(0)
    await turn()
    expect(target.status).toBe(15 | 64)
  })
})
