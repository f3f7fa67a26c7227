// What is at the host's end of a virtio console, with a driver by hand at the guest's.
import { PassThrough, Writable } from 'node:stream'
import type { DeviceContext, KvmError } from 'node-kvm'
import { type DeviceHost, type DeviceNode, GuestConsole, virtioConsole } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import type { VirtioMmio } from '../../../lib/virtio/mmio.js'
import { expectRefusal, expectRejection } from '../../thrown.js'
import { ConsoleDriver, text, turns } from '../virtio/console/console-driver.js'

const MIB = 2 ** 20
const PIECE = 32 * 1024

/** A console in a machine, and its driver at work. */
async function plugged(line: ReturnType<typeof virtioConsole>) {
  const failures: unknown[] = []
  const watched: string[] = []
  const drivers: ConsoleDriver[] = []
  const host = {
    freeName: (stem: string) => `${stem}7`,
    add: ({ name, device }: DeviceNode) => {
      expect(name).toBe('virtio7')
      const make = device as (context: DeviceContext) => VirtioMmio
      const driver = new ConsoleDriver((context) => {
        const effects = { ...context.effects, console: (piece: Uint8Array) => watched.push(text(piece)) }
        const fail = (error: unknown) => failures.push(error)
        return make({ ...context, effects, fail } as unknown as DeviceContext)
      })
      drivers.push(driver)
      return driver.mmio
    },
  }
  line.attach(host as unknown as DeviceHost)
  const [driver] = drivers
  if (driver === undefined) throw new Error('the console is a device')
  await driver.start()
  return { driver, failures, watched }
}

test('output goes to a function, and to who watches the machine', async () => {
  const out: string[] = []
  const line = virtioConsole({ output: (piece) => void out.push(text(piece)) })
  const { driver, watched } = await plugged(line)
  await driver.print('hello')
  await turns()
  expect([out, watched, line.lost]).toEqual([['hello'], ['hello'], 0])
})

test('a script sends and expects', async () => {
  const console = new GuestConsole()
  console.send('typed ahead\n')
  const { driver } = await plugged(virtioConsole({ console }))
  expect(await driver.receive()).toBe('typed ahead\n')
  void driver.print('login: ')
  expect(await console.expect('login: ')).toMatchObject({ match: 'login: ' })
  const read = driver.receive()
  console.send('root\n')
  expect(await read).toBe('root\n')
})

test('a stream is read no faster than the guest reads, and nothing of it is lost', async () => {
  const input = new PassThrough({ highWaterMark: 1024 })
  const { driver } = await plugged(virtioConsole({ input }))
  const all = Array.from({ length: 1000 }, (_, index) => `line ${index}\n`).join('')
  for (const part of all.match(/[^]{1,100}/g) ?? []) input.write(part)
  await turns()
  expect([input.isPaused(), input.writableNeedDrain]).toEqual([true, true])
  let read = ''
  while (read.length < all.length) read += await driver.receive(1 + (read.length % 60))
  expect(read).toBe(all)
})

test('an output that takes nothing: the guest does not wait, 1 MiB does, and the rest is lost and counted', async () => {
  const output = () => new Promise<void>(() => undefined)
  const line = virtioConsole({ output })
  const { driver, failures } = await plugged(line)
  const piece = { address: 0x20_0000, length: PIECE, writable: false }
  for (let count = 0; count < 3; count++) {
    await driver.send(1, [piece])
    await turns()
  }
  for (let count = 3; count < 64; count++) await driver.send(1, [piece])
  // What is on its way does not wait.
  expect(64 * PIECE - MIB - line.lost).toBeGreaterThanOrEqual(0)
  expect(64 * PIECE - MIB - line.lost).toBeLessThanOrEqual(2 * PIECE)
  expect([failures, driver.faults]).toEqual([[], []])
})

test('an output that fails ends the run; the guest does not see it', async () => {
  const output = new Writable({
    write(_piece, _encoding, done) {
      done(new Error('no space'))
    },
  })
  const { driver, failures } = await plugged(virtioConsole({ output }))
  await driver.print('hello')
  await turns()
  const [failure] = failures as [KvmError]
  expect([failures.length, failure.code]).toEqual([1, 'ERR_KVM_DEVICE_FAILED'])
  expect(failure.message).toMatch(/the output of the virtio console failed/)
  expect(driver.faults).toEqual([])
})

test('an input that fails ends the run', async () => {
  const input = new PassThrough()
  const { failures } = await plugged(virtioConsole({ input }))
  input.destroy(new Error('gone'))
  await turns()
  expect(failures).toMatchObject([{ code: 'ERR_KVM_DEVICE_FAILED' }])
})

test('the size that it begins with, and others', async () => {
  const line = virtioConsole({ size: { columns: 80, rows: 25 } })
  line.resize(90, 30)
  const { driver } = await plugged(line)
  expect([...driver.config(0, 4)]).toEqual([90, 0, 30, 0])
  line.resize(100, 40)
  expect([...driver.config(0, 4)]).toEqual([100, 0, 40, 0])
})

describe('lives', () => {
  test('over a reset of the guest, what was sent waits', async () => {
    const console = new GuestConsole()
    const { driver } = await plugged(virtioConsole({ console }))
    console.send('one')
    await driver.mmio.reset()
    await driver.start()
    expect(await driver.receive()).toBe('one')
  })

  test('what one machine has not read the next one does', async () => {
    const input = new PassThrough()
    const line = virtioConsole({ input })
    const first = await plugged(line)
    input.write('one, two')
    expect(await first.driver.receive(5)).toBe('one, ')
    await first.driver.mmio.close()
    const second = await plugged(line)
    expect(await second.driver.receive()).toBe('two')
  })

  test('a console belongs to one machine at a time', async () => {
    const console = new GuestConsole()
    const { driver } = await plugged(virtioConsole({ console }))
    const other = virtioConsole({ console })
    await expectRejection(plugged(other), 'ERR_KVM_CONSOLE_IN_USE')
    await driver.mmio.close()
    await plugged(other)
  })
})

test('wrong options', () => {
  for (const wrong of [
    { line: 1 },
    { transport: 'usb' },
    { size: 80 },
    { size: { columns: 80 } },
    { output: 1 },
    { console: 1 },
    { console: new GuestConsole(), input: new PassThrough() },
  ]) {
    expectRefusal(() => virtioConsole(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  expectRefusal(() => {
    virtioConsole().resize(1, -1)
  }, 'ERR_KVM_INVALID_ARGUMENT')
})
