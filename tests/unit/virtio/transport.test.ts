// The registers of virtio over MMIO, as a driver uses them, and as it must not (virtio 1.2, 2.1, 3.1 and 4.2).
import { describe, expect, test } from 'vitest'
import { Registers } from '../../../lib/bus/registers.js'
import type { VirtioDevice, VirtioHost } from '../../../lib/virtio/virtio-device.js'
import * as R from '../../../lib/virtio/mmio-registers.js'
import { expectRefusal } from '../../thrown.js'
import { Echo } from './echo.js'
import { MmioDriver, VERSION_1 } from './mmio-driver.js'

const PACKED = 1n << 34n

const bytes = (value: number) => Uint8Array.of(value)

describe('status', () => {
  test('goes forward one step after the other', () => {
    const driver = new MmioDriver(new Echo())
    driver.set(R.DRIVER_FEATURES_SEL, 1)
    driver.set(R.DRIVER_FEATURES, 1)
    const seen = [1, 3, 11, 15].map((status) => {
      driver.set(R.STATUS, status)
      return driver.status
    })
    expect(seen).toEqual([1, 3, 11, 15])
  })

  test.each([2, 4, 8, 5, 9, 6, 12, 14, 16, 32, 0x100, 0xffff_fff0])('%i is nothing to begin with', (status) => {
    const driver = new MmioDriver(new Echo())
    driver.set(R.STATUS, status)
    expect(driver.status).toBe(0)
  })

  test('does not go back but by a reset', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    for (const status of [11, 3, 1, 7, 13]) {
      driver.set(R.STATUS, status)
      expect(driver.status).toBe(15)
    }
    driver.set(R.STATUS, 0)
    expect(driver.status).toBe(0)
  })

  test.each([
    ['none', 0n],
    ['one that was not offered', VERSION_1 | (1n << 63n)],
    ['those of before virtio 1.0', 1n << 28n],
  ])('features: %s', async (_, features) => {
    const driver = await new MmioDriver(new Echo(), { features }).start()
    expect(driver.status & 8).toBe(0)
    expect(driver.status & 4).toBe(0)
  })

  test('features do not change once they are agreed', async () => {
    let host: VirtioHost | undefined
    const device = new Echo() as VirtioDevice
    device.attach = (given) => {
      host = given
    }
    const driver = await new MmioDriver(device).start()
    driver.set(R.DRIVER_FEATURES_SEL, 0)
    driver.set(R.DRIVER_FEATURES, 0xffff_ffff)
    expect(host?.features).toBe(VERSION_1)
  })
})

describe('queues', () => {
  test('nothing is used before DRIVER_OK', () => {
    const driver = new MmioDriver(new Echo())
    driver.set(R.STATUS, 3)
    const queue = driver.setUpQueue(0, 8)
    void driver.offer(0, [{ data: bytes(1) }])
    driver.set(R.QUEUE_NOTIFY, 0)
    expect(driver.memory.loadUint16(queue.used + 2)).toBe(0)
  })

  test('what was made available before DRIVER_OK is served then, without a kick', async () => {
    const driver = new MmioDriver(new Echo())
    driver.set(R.STATUS, 3)
    driver.set(R.DRIVER_FEATURES_SEL, 1)
    driver.set(R.DRIVER_FEATURES, 1)
    driver.set(R.STATUS, 11)
    driver.setUpQueue(0, 8)
    const done = driver.offer(0, [{ data: bytes(9) }, { room: 1 }])
    driver.set(R.STATUS, 15)
    expect((await done).data).toEqual(bytes(9))
  })

  test('a queue that is ready does not change', async () => {
    const driver = await new MmioDriver(new Echo(), { queueSize: 8 }).start()
    const before = driver.mmio.save()
    for (const [offset, value] of [
      [R.QUEUE_NUM, 4],
      [R.QUEUE_DESC_LOW, 0],
      [R.QUEUE_DRIVER_LOW, 0],
      [R.QUEUE_DEVICE_LOW + 4, 7],
    ] as const) {
      driver.set(offset, value)
    }
    expect(driver.mmio.save().queues).toEqual(before.queues)
    expect((await driver.send(0, [{ data: bytes(3) }, { room: 1 }])).data).toEqual(bytes(3))
  })

  test.each([0, 257, 0xffff, 0xffff_ffff])('size %i is not taken', (size) => {
    const driver = new MmioDriver(new Echo())
    driver.set(R.QUEUE_NUM, size)
    expect(driver.mmio.save().queues[0]?.size).toBe(256)
  })

  test('every register under every queue_select', () => {
    const driver = new MmioDriver(new Echo([8, 16]))
    for (const select of [2, 3, 0x7fff_ffff, 0xffff_ffff]) {
      driver.set(R.QUEUE_SEL, select)
      const before = driver.mmio.save()
      for (let offset = R.QUEUE_SEL + 4; offset < R.STATUS; offset += 4) driver.set(offset, 1)
      for (let offset = R.QUEUE_DESC_LOW; offset < R.CONFIG; offset += 4) driver.set(offset, 1)
      expect([driver.read(R.QUEUE_NUM_MAX), driver.read(R.QUEUE_READY)]).toEqual([0, 0])
      expect(driver.mmio.save()).toEqual(before)
    }
  })

  test('one that cannot start stops all', () => {
    const driver = new MmioDriver(new Echo([8, 8]))
    driver.set(R.STATUS, 3)
    driver.set(R.DRIVER_FEATURES_SEL, 1)
    driver.set(R.DRIVER_FEATURES, 1)
    driver.set(R.STATUS, 11)
    driver.set(R.QUEUE_SEL, 0)
    driver.set(R.QUEUE_DESC_LOW + 4, 0xffff)
    driver.set(R.QUEUE_READY, 1)
    const queue = driver.setUpQueue(1, 8)
    void driver.offer(1, [{ data: bytes(1) }])
    driver.set(R.STATUS, 15)
    driver.kick(1)
    expect([driver.status, driver.faults.length]).toEqual([15 | 64, 1])
    expect(driver.memory.loadUint16(queue.used + 2)).toBe(0)
  })

  test.each([undefined, -1, NaN, '3', {}])(
    'a handler that returns %s stops its device, which can be reset',
    async (value) => {
      const device: VirtioDevice = {
        ...{ id: 1, features: 0n, queueSizes: [8] },
        startQueue: (queue) => {
          queue.serve(() => value as never)
        },
      }
      const driver = await new MmioDriver(device).start()
      void driver.send(0, [{ data: bytes(1) }])
      expect(driver.faults).toMatchObject([{ code: 'ERR_KVM_INVALID_ARGUMENT' }])
      await driver.write(R.STATUS, 0)
      expect(driver.status).toBe(0)
    },
  )

  test.each([2, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])('a kick for queue %i of 2', async (queue) => {
    const driver = await new MmioDriver(new Echo([8, 8])).start()
    driver.set(R.QUEUE_NOTIFY, queue)
    expect([driver.faults, driver.status]).toEqual([[], 15])
    expect((await driver.send(1, [{ data: bytes(3) }, { room: 1 }])).data).toEqual(bytes(3))
  })

  test('DEVICE_NEEDS_RESET is not for drivers to say', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    driver.set(R.STATUS, 15 | 64)
    expect(driver.status).toBe(15)
  })

  test('a queue is taken away, and comes back', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    await driver.send(0, [{ data: bytes(3) }, { room: 1 }])
    driver.set(R.QUEUE_SEL, 0)
    driver.set(R.QUEUE_READY, 0)
    expect(driver.read(R.QUEUE_READY)).toBe(0)
    driver.set(R.QUEUE_NOTIFY, 0)
    driver.setUpQueue(0, 4)
    expect((await driver.send(0, [{ data: bytes(4) }, { room: 1 }])).data).toEqual(bytes(4))
  })
})

describe('resets in the middle', () => {
  test('a reset waits until the device has given back what it has', async () => {
    const echo = new Echo()
    const driver = await new MmioDriver(echo).start()
    echo.hold = true
    void driver.send(0, [{ data: bytes(1) }, { room: 1 }])
    expect(echo.held).toBe(1)
    let isOver = false
    const reset = Promise.resolve(driver.write(R.STATUS, 0)).then(() => (isOver = true))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect([isOver, driver.status]).toEqual([false, 15])
    // What comes meanwhile changes nothing.
    driver.set(R.STATUS, 15)
    driver.set(R.QUEUE_READY, 1)
    driver.kick(0)
    echo.release()
    await reset
    expect(driver.status).toBe(0)
    echo.hold = false
    await driver.start()
    expect((await driver.send(0, [{ data: bytes(2) }, { room: 1 }])).data).toEqual(bytes(2))
  })

  test("what comes back then is told to nobody, and is nobody's fault", async () => {
    const echo = new Echo()
    const driver = await new MmioDriver(echo).start()
    echo.hold = true
    void driver.send(0, [{ data: bytes(1) }, { room: 1 }])
    const reset = driver.write(R.STATUS, 0)
    echo.release()
    await reset
    expect([driver.status, driver.read(R.INTERRUPT_STATUS), driver.interrupts]).toEqual([0, 0, 0])
    await driver.start()
    void driver.send(0, [{ data: bytes(1) }, { room: 1 }])
    const closed = driver.mmio.close()
    // The machine's memory goes first.
    driver.memory.slices = () => undefined
    driver.memory.storeUint32 = () => false
    echo.release()
    await closed
    expect([driver.faults, driver.interrupts]).toEqual([[], 0])
  })

  test('what the device itself fails at then is told, and asks for no other reset', async () => {
    let fail: (error: Error) => void = () => undefined
    const device: VirtioDevice = {
      ...{ id: 1, features: 0n, queueSizes: [8] },
      startQueue: (queue) => {
        queue.serve(() => new Promise((_, reject) => (fail = reject)))
      },
    }
    const driver = await new MmioDriver(device).start()
    void driver.send(0, [{ data: bytes(1) }])
    const reset = driver.write(R.STATUS, 0)
    const error = new Error('the disk is gone')
    fail(error)
    await reset
    expect([driver.faults, driver.status, driver.interrupts]).toEqual([[error], 0, 0])
  })

  test('a thousand times, with chains on their way', async () => {
    const echo = new Echo()
    echo.hold = true
    const driver = new MmioDriver(echo, { queueSize: 4 })
    for (let time = 0; time < 1000; time++) {
      const starting = driver.start()
      echo.release()
      await starting
      for (const byte of [1, 2]) void driver.offer(0, [{ address: 0x20_0000 + byte, length: 1, writable: false }])
      driver.kick(0)
    }
    expect(driver.faults).toEqual([])
    expect(echo.held).toBe(2)
  })
})

describe('pause', () => {
  test('a paused device gives back what it has, and begins nothing', async () => {
    const echo = new Echo()
    const driver = await new MmioDriver(echo).start()
    echo.hold = true
    const first = driver.send(0, [{ data: bytes(1) }, { room: 1 }])
    let isStill = false
    const pausing = driver.mmio.pause().then(() => (isStill = true))
    const second = driver.send(0, [{ data: bytes(2) }, { room: 1 }])
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect([isStill, echo.held]).toEqual([false, 1])
    echo.hold = false
    echo.release()
    await pausing
    expect((await first).data).toEqual(bytes(1))
    const state = driver.mmio.save()
    driver.kick(0)
    expect(driver.mmio.save()).toEqual(state)
    driver.mmio.resume()
    expect((await second).data).toEqual(bytes(2))
  })
})

describe('state', () => {
  test('another device goes on with it', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    await driver.send(0, [{ data: bytes(1) }, { room: 1 }])
    const state = JSON.parse(JSON.stringify(driver.mmio.save())) as ReturnType<typeof driver.mmio.save>
    const other = new MmioDriver(new Echo(), { memory: driver.memory })
    other.mmio.restore(state)
    expect(other.mmio.save()).toEqual(state)
    other.queues.push(...driver.queues)
    expect((await other.send(0, [{ data: bytes(2) }, { room: 1 }])).data).toEqual(bytes(2))
  })

  test('what its guest had made available is answered, and told', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    await driver.mmio.pause()
    void driver.offer(0, [{ data: bytes(6) }, { room: 1 }])
    const other = new MmioDriver(new Echo(), { memory: driver.memory })
    other.mmio.restore(driver.mmio.save())
    expect([other.interrupts, other.read(R.INTERRUPT_STATUS)]).toEqual([1, R.USED_BUFFER])
  })

  test('one with features that the device does not offer is refused', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    const before = driver.mmio.save()
    expectRefusal(() => {
      driver.mmio.restore({ ...before, features: [1, 1] })
    }, 'ERR_KVM_INVALID_STATE')
    expect(driver.mmio.save()).toEqual(before)
  })

  test.each([{ available: 16 }, { available: 0x8010 }, { used: 16 }, { used: 0xffff }])(
    'one of a packed queue of 16 that stands outside of it is refused: %o',
    async (wrong) => {
      const driver = await new MmioDriver(new Echo(), { features: VERSION_1 | PACKED }).start()
      const before = driver.mmio.save()
      const at = (ring: object) => ({
        ...before,
        queues: [{ ...before.queues[0]!, ring: { ...before.queues[0]!.ring!, ...ring } }],
      })
      expectRefusal(() => {
        driver.mmio.restore(at(wrong))
      }, 'ERR_KVM_INVALID_STATE')
      expect(driver.mmio.save()).toEqual(before)
      driver.mmio.restore(at({ available: 15, used: 0x800f }))
      expect(driver.mmio.save()).toEqual(at({ available: 15, used: 0x800f }))
    },
  )

  test('one of other queues is refused, and the device as it was', async () => {
    const driver = await new MmioDriver(new Echo()).start()
    const before = driver.mmio.save()
    const damaged = { ...before, queues: [] }
    expectRefusal(() => {
      driver.mmio.restore(damaged)
    }, 'ERR_KVM_INVALID_STATE')
    expect(driver.mmio.save()).toEqual(before)
  })
})

describe('configuration space', () => {
  class Configured extends Echo {
    host: VirtioHost | undefined
    value = 0x1234_5678
    readonly config = new Registers([
      { name: 'value', offset: 0, width: 4, read: () => this.value, write: (value) => (this.value = value) },
    ])
    attach(host: VirtioHost): void {
      this.host = host
    }
  }

  test('is read and written at any width, and is zeros past its end', () => {
    const driver = new MmioDriver(new Configured())
    expect(driver.config(0, 4)).toEqual(Uint8Array.of(0x78, 0x56, 0x34, 0x12))
    expect(driver.config(1, 2)).toEqual(Uint8Array.of(0x56, 0x34))
    expect(driver.config(3, 8)).toEqual(Uint8Array.of(0x12, 0, 0, 0, 0, 0, 0, 0))
    void driver.mmio.write(R.CONFIG + 1, Uint8Array.of(0xff))
    expect(driver.read(R.CONFIG)).toBe(0x1234_ff78)
    void driver.mmio.write(R.CONFIG + 0xfe, new Uint8Array(8).fill(1))
    expect(new MmioDriver(new Echo()).config(0, 4)).toEqual(new Uint8Array(4))
  })

  test('a change is told, with another generation', async () => {
    const device = new Configured()
    const driver = new MmioDriver(device)
    device.host?.configChanged()
    expect([driver.read(R.CONFIG_GENERATION), driver.read(R.INTERRUPT_STATUS)]).toEqual([1, 0])
    await driver.start()
    device.host?.configChanged()
    expect([driver.read(R.CONFIG_GENERATION), driver.read(R.INTERRUPT_STATUS)]).toEqual([1, R.CONFIG_CHANGE])
    driver.set(R.INTERRUPT_ACK, R.CONFIG_CHANGE)
    expect(driver.read(R.INTERRUPT_STATUS)).toBe(0)
  })
})

test('every register at every width and offset throws nothing', async () => {
  const driver = await new MmioDriver(new Echo()).start()
  for (let offset = 0; offset < R.CONFIG + 16; offset++) {
    for (const width of [1, 2, 3, 4, 5, 6, 7, 8]) {
      driver.mmio.read(offset, new Uint8Array(width))
      if (offset < R.STATUS - 8 || offset > R.STATUS + 4)
        void driver.mmio.write(offset, new Uint8Array(width).fill(0xa5))
    }
  }
  await driver.start()
  expect((await driver.send(0, [{ data: bytes(5) }, { room: 1 }])).data).toEqual(bytes(5))
})
