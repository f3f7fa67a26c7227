// Queues that somebody else serves: the kernel, in a machine; here a server that writes down what it is asked.
import { expect, test } from 'vitest'
import { Net } from '../../../lib/virtio/net/index.js'
import * as R from '../../../lib/virtio/mmio-registers.js'
import type { QueueServer, ServedHome, ServedQueue } from '../../../lib/virtio/queue-server.js'
import type { VirtioDevice } from '../../../lib/virtio/virtio-device.js'
import { expectRefusal } from '../../thrown.js'
import { EVENT_IDX, MmioDriver, VERSION_1 } from './mmio-driver.js'

const PACKED = 1n << 34n

/** It has done ten chains whenever it is stopped. */
class Server implements QueueServer {
  features = VERSION_1 | EVENT_IDX
  readonly log: string[] = []
  queue: ServedQueue | undefined
  home: ServedHome | undefined
  refusal: Error | undefined

  serve(queue: ServedQueue, home: ServedHome) {
    if (this.refusal !== undefined) throw this.refusal
    this.queue = queue
    this.home = home
    const note = (what: string) => () => void this.log.push(what)
    note('serve')()
    return {
      kick: { signal: note('kick') },
      call: { signal: note('call') },
      stop: () => {
        this.log.push('stop')
        return { available: 10, used: 10 }
      },
      resume: note('resume'),
      close: note('close'),
    }
  }
}

const served = (server: QueueServer): VirtioDevice => ({
  ...{ id: 0x3f, features: 0n, queueFeatures: server.features, queueSizes: [256] },
  startQueue: (queue) => {
    queue.delegate(server)
  },
})

async function start(features = VERSION_1 | EVENT_IDX) {
  const server = new Server()
  const driver = await new MmioDriver(served(server), { features }).start()
  return { server, driver }
}

test('the server gets what the driver has said, and what was made available before', async () => {
  const { server, driver } = await start()
  const [queue] = driver.queues
  expect(server.queue).toMatchObject({
    ...{ index: 0, size: 16, features: VERSION_1 | EVENT_IDX, state: { available: 0, used: 0 } },
    addresses: { descriptors: queue?.descriptors, driver: queue?.available, device: queue?.used },
  })
  expect(server.log).toEqual(['serve', 'kick'])
})

test('a kick is its event, and an interrupt is the transport’s', async () => {
  const { server, driver } = await start()
  driver.kick(0)
  driver.set(R.QUEUE_NOTIFY, 0)
  expect(server.log).toEqual(['serve', 'kick', 'kick', 'kick'])
  server.home?.interrupt()
  expect(driver.interrupts).toBe(1)
})

test('a feature that the server lacks is not offered', async () => {
  const { driver } = await start(VERSION_1 | PACKED)
  expect(driver.status & 12).toBe(0)
})

test('a pause stops it, a state says where it stands, and it goes on from there', async () => {
  const { server, driver } = await start()
  await driver.mmio.pause()
  const state = driver.mmio.save()
  expect(state.queues[0]?.ring).toEqual({ available: 10, used: 10 })
  server.log.length = 0
  driver.mmio.resume()
  expect(server.log).toEqual(['resume', 'kick'])

  const next = new Server()
  const restored = new MmioDriver(served(next), { memory: driver.memory })
  await restored.mmio.pause()
  restored.mmio.restore(state)
  expect(next.queue?.state).toEqual({ available: 10, used: 10 })
  // It was paused, and is.
  expect(next.log).toEqual(['serve', 'stop'])
  restored.mmio.resume()
  expect(next.log.slice(2)).toEqual(['resume', 'kick'])
})

test.each([
  ['a reset', R.STATUS, 0],
  ['a queue that is not ready any more', R.QUEUE_READY, 0],
])('%s stops it for good', async (_, register, value) => {
  const { server, driver } = await start()
  driver.set(R.QUEUE_SEL, 0)
  driver.set(register, value)
  expect(server.log.slice(2)).toEqual(['stop', 'close'])
  driver.kick(0)
  expect(server.log).toHaveLength(4)
})

test('what fails there is a device that waits to be reset', async () => {
  const { server, driver } = await start()
  const error = new Error('no more')
  server.home?.fail(error)
  expect(driver.faults).toEqual([error])
  expect(driver.status & 64).toBe(64)
  expect(server.log.slice(2)).toEqual(['close'])
})

test('a server that cannot begin', async () => {
  const server = new Server()
  server.refusal = new Error('busy')
  const driver = await new MmioDriver(served(server)).start()
  expect(driver.faults).toEqual([server.refusal])
})

test('a network card whose queues are served sees no frames, so it promises nothing about them', () => {
  const backend = { attach: () => undefined, send: () => undefined, server: new Server() }
  for (const wrong of [
    { checkSource: true },
    { queuePairs: 2 },
    { sendLimits: { bytes: 1000 } },
    { receiveLimits: { operations: 1000 } },
  ]) {
    expectRefusal(() => new Net(backend, wrong), 'ERR_KVM_INVALID_ARGUMENT')
  }
  const card = new Net(backend)
  expectRefusal(() => (card.sendLimits = { bytes: 1000 }), 'ERR_KVM_INVALID_ARGUMENT')
  expect(card.queueFeatures).toBe(backend.server.features)
})
