// A device that fails while a guest runs: the run says which, where and why. And what a guest wrote last arrives.
import { AsyncLocalStorage } from 'node:async_hooks'
import { Writable } from 'node:stream'

import { type Device, ValueCell } from 'node-kvm'
import { type DeviceNode, flat, Machine, serial } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { assemble, CLI, HLT, movAl, movAx, movCx, movDx, outAl, outDx, repOuts, SPIN } from './guests.js'

const ADDRESS = 0x7c00
const RUN = { timeout: 60_000 }
const boot = (...parts: (readonly number[])[]) => flat({ image: assemble(...parts), address: ADDRESS, mode: 'real' })
const END = [...movAl(0), ...outAl(0xf4), ...HLT]
const boom = new Error('boom')

class Broken implements Device {
  read(): void {
    throw boom
  }
  write(): void {
    throw boom
  }
}

class BrokenLater extends Broken {
  readonly cells = [new ValueCell({ offset: 0, width: 4, write: 'post' })]
}

const at = (
  place: { port: number } | { memory: number },
  device: DeviceNode['device'],
  name = 'broken',
): DeviceNode => ({
  name,
  device,
  resources: [{ ...place, length: 8 }],
})
const noAccess: Device = { read: () => undefined, write: () => undefined }

describe('a device that throws: the run rejects with its name, the access and the vCPU', () => {
  const write = [...movDx(0x1002), ...movAx(7), ...outDx(2)]
  const access = { bus: 'port', address: 0x1002, offset: 2, length: 2, isWrite: true, vcpu: 0 }

  test('a write to a port', async () => {
    const devices = [at({ port: 0x1000 }, new Broken())]
    using machine = await Machine.create({ boot: boot(write, HLT), devices })
    await expect(machine.run(RUN)).rejects.toMatchObject({
      code: 'ERR_KVM_DEVICE_FAILED',
      message: expect.stringMatching(
        /^broken failed in a write of 2 bytes at port 0x1002 \(its offset 0x2\) by vCPU 0 at 0x7c0[0-9a-f]: boom$/,
      ) as string,
      cause: boom,
      operands: { device: 'broken', ...access, rip: BigInt(ADDRESS + write.length) },
    })
  })

  test('a posted write', async () => {
    const devices = [at({ port: 0x1000 }, new BrokenLater(), 'later')]
    using machine = await Machine.create({ boot: boot(write, CLI, SPIN), devices })
    await expect(machine.run(RUN)).rejects.toMatchObject({
      cause: boom,
      operands: { device: 'later', ...access },
    })
  })

  test('a read of an address, by the name that the device has', async () => {
    // mov eax, [0xd0000004]
    const image = Uint8Array.of(0xa1, 4, 0, 0, 0xd0)
    const devices = [at({ memory: 0xd000_0000 }, new Broken(), 'dice')]
    using machine = await Machine.create({ boot: flat({ image, address: ADDRESS, mode: 'protected' }), devices })
    await expect(machine.run(RUN)).rejects.toMatchObject({
      message: expect.stringMatching(/^dice failed in a read of 4 bytes at address 0xd0000004 /) as string,
      operands: { device: 'dice', bus: 'mmio', offset: 4, isWrite: false, vcpu: 0 },
    })
  })

  test('what it says is text', async () => {
    const write = () => {
      throw new Error('\x1b[2J\n::error::')
    }
    const devices = [at({ port: 0x1000 }, { read: () => undefined, write })]
    using machine = await Machine.create({ boot: boot(movDx(0x1000), outDx(1), HLT), devices })
    const error = await machine.run(RUN).catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({
      message: expect.stringMatching(/^broken failed .*: \\x1b\[2J\\n::error::$/) as string,
    })
  })

  test('outside of an access it says so itself', async () => {
    const devices = [
      at({ port: 0x1000 }, ({ fail }) => {
        setTimeout(() => {
          fail(boom)
        }, 20)
        return noAccess
      }),
    ]
    using machine = await Machine.create({ boot: boot(CLI, SPIN), devices })
    await expect(machine.run(RUN)).rejects.toMatchObject({
      code: 'ERR_KVM_DEVICE_FAILED',
      message: 'a device failed: boom',
      cause: boom,
    })
  })

  test('before the run: the run rejects at once', async () => {
    const devices = [
      at({ port: 0x1000 }, ({ fail }) => {
        fail(boom)
        return noAccess
      }),
    ]
    using machine = await Machine.create({ boot: boot(CLI, SPIN), devices })
    await expect(machine.run(RUN)).rejects.toMatchObject({ cause: boom })
  })

  test('an output that throws, which nobody calls at an access', async () => {
    const output = () => {
      throw boom
    }
    using machine = await Machine.create({
      boot: boot(movDx(0x3f8), outDx(1), CLI, SPIN),
      devices: [serial({ output })],
    })
    await expect(machine.run(RUN)).rejects.toMatchObject({ code: 'ERR_KVM_DEVICE_FAILED', cause: boom })
  })
})

describe('what a guest has written when it ends', () => {
  const KIB = 4096
  // 50 times 4 KiB of memory to COM1.
  const flood = [0xbb, 50, 0, 0x31, 0xf6, ...movCx(KIB), 0xfc, ...repOuts(1), 0x4b, 0x75, 0xf5]

  function slow(milliseconds: number) {
    const state = { got: 0, last: 0 }
    const stream = new Writable({
      write(chunk: Uint8Array, _encoding, done) {
        state.got += chunk.length
        state.last = chunk.at(-1) ?? 0
        setTimeout(done, milliseconds)
      },
    })
    return { state, stream }
  }

  test('arrives before the run resolves, however slow its reader', async () => {
    const { state, stream } = slow(30)
    const line = serial({ output: stream })
    using machine = await Machine.create({
      memory: '16M',
      boot: boot(movDx(0x3f8), flood, movAl(0x21), outDx(1), END),
      devices: [line],
    })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit' })
    expect([state.got, state.last, line.lost]).toEqual([50 * KIB + 1, 0x21, 0])
  })

  test('arrives over a reset, too', async () => {
    const { state, stream } = slow(30)
    let lives = 1
    const counter = at(
      { port: 0x1000 },
      { ...noAccess, read: (_, data) => data.fill(lives), reset: () => (lives += 1) },
    )
    // cmp al, 2; jae to the end; else reset by the keyboard controller
    const again = [...movDx(0x1000), 0xec, 0x3c, 2, 0x73, 4, ...movAl(0xfe), ...outAl(0x64)]
    const line = serial({ output: stream })
    using machine = await Machine.create({
      memory: '16M',
      boot: boot(movDx(0x3f8), flood, again, END),
      devices: [counter, line],
    })
    expect(await machine.run(RUN)).toMatchObject({ kind: 'exit' })
    expect([lives, state.got, line.lost]).toEqual([2, 2 * 50 * KIB, 0])
  })

  test('is not waited for when the machine is closed', async () => {
    const stream = new Writable({ write: () => undefined })
    const machine = await Machine.create({
      boot: boot(movDx(0x3f8), outDx(1), END),
      devices: [serial({ output: stream })],
    })
    const running = machine.run(RUN)
    // Once the guest has ended the run waits for the stream.
    while (stream.writableLength === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    await new Promise((resolve) => setTimeout(resolve, 100))
    machine.close()
    const waited = Symbol('the stream is waited for all the same')
    const outcome = await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 4500, waited))])
    expect(outcome).toMatchObject({ kind: expect.stringMatching(/^exit$|^stopped$/) as string })
  })
})

test('devices are put in and told in the async context in which the machine was created, in every life', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen: string[] = []
  let lives = 1
  const note = (where: string) => seen.push(`${where} in ${storage.getStore() ?? 'none'}`)
  const device = at({ port: 0x1000 }, () => {
    note('made')
    return {
      read: (_offset, data) => data.fill(lives),
      write: () => undefined,
      reset: () => {
        lives++
        note('reset')
      },
      close: () => void note('close'),
    }
  })
  const again = [...movDx(0x1000), ...outDx(1), 0xec, 0x3c, 2, 0x73, 4, ...movAl(0xfe), ...outAl(0x64)]
  const options = { memory: '1M', boot: boot(again, END), devices: [device] }
  using machine = await storage.run('creator', () => Machine.create(options))
  await storage.run('runner', () => machine.run(RUN))
  expect(seen).toEqual(['made in creator', 'reset in creator', 'close in creator'])
})
