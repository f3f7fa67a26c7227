// From Machine.create() to the end, on every way there is: what may be called when, and who is told.
import { setTimeout as sleep } from 'node:timers/promises'

import type { Device, DeviceContext } from 'node-kvm'
import {
  type BootSource,
  type DeviceHost,
  type DeviceNode,
  flat,
  GuestConsole,
  linux,
  Machine,
  type MachineDevice,
  serial,
} from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection, thrownBy } from '../thrown.js'
import { assemble, CLI, HLT, movAl, outAl, SPIN } from './guests.js'

const boot = (...parts: (readonly number[])[]) =>
  flat({ image: assemble(...parts), address: 0x8000, mode: 'real' as const })
const END = [...movAl(0), ...outAl(0xf4), ...HLT]
const RESET = [...movAl(0xfe), ...outAl(0x64), ...HLT]
const ZEROS: Device = { read: (_offset, data) => data.fill(0), write: () => undefined }

let named = 0
/** A device at a port that nobody uses, or at that one. */
const node = (device: DeviceNode['device'], port = 0x2000 + named): DeviceNode => ({
  name: `device${named++}`,
  device,
  resources: [{ port, length: 1 }],
})

/** A device that notes what it is told. */
function witness(): MachineDevice & { told: string[] } {
  const told: string[] = []
  const note = (what: string) => () => void told.push(what)
  return {
    told,
    attach(host) {
      told.push('attach')
      host.add(node({ ...ZEROS, reset: note('reset'), close: note('close') }))
    },
    ended: note('ended'),
  }
}

const failing = (cause: Error) =>
  node({
    ...ZEROS,
    close: () => {
      throw cause
    },
  })

describe('run()', () => {
  test('runs once', async () => {
    using machine = await Machine.create({ boot: boot(END) })
    await machine.run({ timeout: 60_000 })
    await expectRejection(machine.run(), 'ERR_KVM_GUEST_ENDED', /Machine\.create\(\)/)
    machine.close()
    await expectRejection(machine.run(), 'ERR_KVM_CLOSED')
  })

  test.each([0, -1, 1.5, 2 ** 31, '1'])('with the time limit %s is refused, and has begun nothing', async (timeout) => {
    using machine = await Machine.create({ boot: boot(END) })
    await expectRejection(machine.run({ timeout: timeout as number }), 'ERR_KVM_INVALID_ARGUMENT', /timeout/)
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit' })
  })

  test('its time limit holds for all lives together', async () => {
    using machine = await Machine.create({ boot: boot(RESET), memory: '1M' })
    expect(await machine.run({ timeout: 300 })).toMatchObject({ kind: 'timeout' })
  })

  test.each(['stop', 'close'] as const)('%s() while the guest resets is not lost', async (how) => {
    const device = node({ ...ZEROS, reset: () => void machine[how]() })
    const machine = await Machine.create({ boot: boot(RESET), devices: [device] })
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'stopped' })
    machine.close()
  })

  test('stop() before it does nothing', async () => {
    using machine = await Machine.create({ boot: boot(END) })
    await machine.stop()
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit' })
  })

  test('what a device does to the guest before it runs counts', async () => {
    const device = node(({ effects }) => {
      effects.powerOff()
      return ZEROS
    })
    using machine = await Machine.create({ boot: boot(CLI, SPIN), devices: [device] })
    expect(await machine.run()).toMatchObject({ kind: 'power-off' })
  })
})

describe('devices are told', () => {
  test('of the end', async () => {
    const device = witness()
    using machine = await Machine.create({ boot: boot(RESET), devices: [device], onReset: 'end' })
    await machine.run({ timeout: 60_000 })
    machine.close()
    machine.close()
    expect(device.told).toEqual(['attach', 'close', 'ended'])
  })

  test('of each reset', async () => {
    const device = witness()
    using machine = await Machine.create({ boot: boot(RESET), devices: [device] })
    const running = machine.run({ timeout: 60_000 })
    await expect.poll(() => device.told.length).toBeGreaterThan(3)
    await machine.stop()
    await running
    expect(device.told.slice(0, 3)).toEqual(['attach', 'reset', 'reset'])
    expect(device.told.slice(-2)).toEqual(['close', 'ended'])
  })

  test('when the machine is closed before it runs, and while it does', async () => {
    const device = witness()
    const idle = await Machine.create({ boot: boot(END), devices: [device] })
    idle.close()
    expect(device.told).toEqual(['attach', 'close', 'ended'])
    const busy = await Machine.create({ boot: boot(CLI, SPIN), devices: [device] })
    const running = busy.run()
    await sleep(20)
    busy.close()
    await running
    expect(device.told.slice(3)).toEqual(['attach', 'close', 'ended'])
  })

  test('and all of them, when some fail', async () => {
    const [first, last] = [witness(), witness()]
    const bad: MachineDevice = {
      attach: (host) => void host.add(failing(new Error('cannot flush'))),
      ended() {
        throw new Error('cannot close')
      },
    }
    using machine = await Machine.create({ boot: boot(END), devices: [first, bad, last] })
    const error = await machine.run({ timeout: 60_000 }).catch((reason: unknown) => reason)
    const texts = String(error)
    expect(error).toMatchObject({ code: 'ERR_KVM_DEVICE_FAILED' })
    expect(texts).toContain('cannot flush')
    expect(texts).toContain('cannot close')
    for (const { told } of [first, last]) expect(told).toEqual(['attach', 'close', 'ended'])

    const other = await Machine.create({ boot: boot(END), devices: [first, bad, last] })
    const closing = thrownBy(() => {
      other.close()
    })
    expect(closing.code).toBe('ERR_KVM_DEVICE_FAILED')
    for (const { told } of [first, last]) expect(told.slice(3)).toEqual(['attach', 'close', 'ended'])
    expect(other.closed).toBe(true)
  })

  test('the error of one has how the guest ended', async () => {
    const cause = new Error('cannot flush')
    using machine = await Machine.create({ boot: boot(END), devices: [failing(cause)] })
    await expect(machine.run({ timeout: 60_000 })).rejects.toMatchObject({
      code: 'ERR_KVM_DEVICE_FAILED',
      cause,
      operands: { errors: [cause], outcome: { kind: 'exit' } },
    })
  })

  test('a device that ends the guest and then throws: the run rejects with that', async () => {
    const thrown = new Error('mine')
    const device = node(({ effects }) => {
      const write = () => {
        effects.powerOff()
        throw thrown
      }
      return { ...ZEROS, write }
    }, 0x81)
    const told = witness()
    using machine = await Machine.create({ boot: boot(outAl(0x81), HLT), devices: [device, told] })
    await expect(machine.run({ timeout: 60_000 })).rejects.toMatchObject({
      code: 'ERR_KVM_DEVICE_FAILED',
      cause: thrown,
    })
    expect(told.told).toEqual(['attach', 'close', 'ended'])
    await expectRejection(machine.run(), 'ERR_KVM_GUEST_ENDED')
  })
})

test('what a device does with its machine when that is over does nothing', async () => {
  let given: [DeviceHost, DeviceContext] | undefined
  const device: MachineDevice = {
    attach: (host) => {
      host.add(
        node((context) => {
          given = [host, context]
          return ZEROS
        }),
      )
    },
  }
  using machine = await Machine.create({ boot: boot(END), devices: [device] })
  const late = () => {
    const [host, { effects, schedule }] = given!
    const line = new Set<{ set: (level: boolean) => void }>()
    host.add({ ...node((context) => (line.add(context.interrupt()), ZEROS)), resources: [{ gsi: 5 }] })
    for (const level of [true, false]) for (const each of line) each.set(level)
    host.add({ ...node(ZEROS), resources: [{ memory: 0xd000_0000 + 8 * named, length: 8 }] })
    effects.console(Uint8Array.of(65))
    effects.reset('a timer')
    effects.panic()
    schedule(0n, () => effects.powerOff())
  }
  expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit' })
  late()
  machine.close()
  late()
  expect(machine.powerButton()).toBe(false)
})

describe('a script that waits is told', () => {
  const waitOn = (console: GuestConsole) => expectRejection(console.expect('never'), 'ERR_KVM_GUEST_ENDED')

  test('when the machine is closed before it ran', async () => {
    const console = new GuestConsole()
    const machine = await Machine.create({ boot: boot(END), devices: [serial({ console })] })
    const told = waitOn(console)
    machine.close()
    await told
    await waitOn(console)
  })

  test('when the machine is closed while it runs', async () => {
    const console = new GuestConsole()
    const machine = await Machine.create({ boot: boot(CLI, SPIN), devices: [serial({ console })] })
    const told = waitOn(console)
    const running = machine.run()
    await sleep(20)
    machine.close()
    await told
    await running
  })

  test.each<[string, BootSource, MachineDevice[]]>([
    ['its kernel is missing', linux({ kernel: '/nonexistent/vmlinuz' }), []],
    ['its image does not fit', boot(new Array<number>(2 ** 20).fill(0)), []],
    ['another device cannot be put in', boot(END), [serial()]],
  ])('when a machine cannot be created because %s', async (_why, source, devices) => {
    const console = new GuestConsole()
    const told = waitOn(console)
    await expect(
      Machine.create({ memory: '1M', boot: source, devices: [serial({ console }), ...devices] }),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_KVM_/) as string })
    await told
    // And another machine may have it.
    using machine = await Machine.create({ boot: boot(END), devices: [serial({ console })] })
    const waiting = waitOn(console)
    await machine.run({ timeout: 60_000 })
    await waiting
  })

  test('when the guest cannot boot again', async () => {
    const source = boot(RESET)
    let lives = 0
    const fails: BootSource = {
      async prepare() {
        const { load } = await source.prepare()
        return {
          load(context) {
            if (++lives > 1) throw new Error('no second life')
            return load(context)
          },
        }
      },
    }
    const console = new GuestConsole()
    const device = witness()
    using machine = await Machine.create({ boot: fails, devices: [device, serial({ console })] })
    const told = waitOn(console)
    await expect(machine.run({ timeout: 60_000 })).rejects.toThrow('no second life')
    await told
    expect(device.told).toEqual(['attach', 'reset', 'close', 'ended'])
  })
})

test('a console in two machines at once: the second is refused, the first keeps it', async () => {
  const console = new GuestConsole()
  const line = serial({ console })
  using machine = await Machine.create({ boot: boot(outAl(0x80), CLI, SPIN), devices: [line] })
  for (const device of [line, serial({ console })]) {
    await expectRejection(Machine.create({ boot: boot(END), devices: [device] }), 'ERR_KVM_CONSOLE_IN_USE')
  }
  const both = [line, serial({ console, line: 2 })]
  const running = machine.run()
  const ended = expectRejection(console.expect('x'), 'ERR_KVM_GUEST_ENDED')
  await machine.stop()
  await running
  await ended
  await expectRejection(Machine.create({ boot: boot(END), devices: both }), 'ERR_KVM_CONSOLE_IN_USE')
})

describe('a device at guest physical addresses', () => {
  const create = (start: number, length: number) =>
    Machine.create({
      memory: '1M',
      boot: boot(END),
      devices: [{ name: 'memory', device: ZEROS, resources: [{ memory: start, length }] }],
    })

  test.each([
    [0, 1],
    [0xf_ffff, 1],
    [0xf_ffff, 0x1000],
  ])('at 0x%x, %i bytes, over RAM, is refused', async (start, length) => {
    await expectRejection(
      create(start, length),
      'ERR_KVM_MEMORY_OVERLAP',
      /would never be asked: RAM is at 0x0 to 0xfffff/,
    )
  })

  test('is accepted right behind RAM, and refused over it while the machine stands', async () => {
    using machine = await create(0x10_0000, 0x1000)
    expectRefusal(() => machine.mmio.map(0x8000, 4, ZEROS), 'ERR_KVM_MEMORY_OVERLAP')
    expectRefusal(() => machine.mmio.map(-1, 4, ZEROS), 'ERR_KVM_INVALID_ARGUMENT', /start/)
    machine.mmio.map(0x10_1000, 4, ZEROS)
  })
})
