// A paused machine: a wish to pause holds over every reset and before the start, and the guest's time stands still.
import { setTimeout as sleep } from 'node:timers/promises'

import { type DeviceHost, flat, Machine, type MachineDevice, type MachineOptions } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { kind } from './machine.js'
import { assemble, CLI, HLT, movAl, movDx, outAl, SPIN, STI, type Width } from './guests.js'

const ADDRESS = 0x8000
const boot = (...parts: (readonly number[])[]) =>
  flat({ image: assemble(...parts), address: ADDRESS, mode: 'real' as const })
const END = [...movAl(0), ...outAl(0xf4), ...HLT]
const RESET = [...movAl(0xfe), ...outAl(0x64), ...SPIN]
/** again: inc dword [0x500]; jmp again */
const COUNT = [0x66, 0xff, 0x06, 0x00, 0x05, 0xeb, 0xf9]
const COUNTER = 0x500
/** What a machine may take to do nothing. */
const MOMENT = 50

const create = (options: Partial<MachineOptions> & Pick<MachineOptions, 'boot'>) =>
  Machine.create({ memory: '1M', ...options })

/** Counts the lives of a machine, and does something when one begins. */
function lives(begin: (life: number) => void = () => undefined): MachineDevice & { count: number } {
  const device = {
    count: 0,
    attach(host: DeviceHost) {
      const next = () => {
        begin(++device.count)
      }
      next()
      host.add({ name: 'lives', device: { read: next, write: next, reset: next }, resources: [] })
    },
  }
  return device
}

describe('a wish to pause holds', () => {
  test('before the run: the guest waits for resume()', async () => {
    using machine = await create({ boot: boot(COUNT) })
    await machine.pause()
    const running = machine.run()
    await sleep(MOMENT)
    expect(machine.vm.memory.readUint32(COUNTER)).toBe(0)
    expect((await machine.postMortem()).vcpus[0]?.cpu?.registers.rip).toBe('0x8000')
    machine.resume()
    await expect.poll(() => machine.vm.memory.readUint32(COUNTER)).toBeGreaterThan(0)
    await machine.stop()
    expect(await running).toMatchObject({ kind: 'stopped' })
  })

  test('over a reset: the next life stands at its entry', async () => {
    const device = lives()
    using machine = await create({ boot: boot(RESET), devices: [device] })
    const running = machine.run()
    for (let turn = 0; turn < 20; turn++) {
      await sleep(turn % 7)
      await machine.pause()
      const [before, { vm }] = [device.count, machine]
      await sleep(10)
      expect(device.count).toBe(before)
      expect(machine.vm).toBe(vm)
      machine.resume()
    }
    await machine.stop()
    expect(await running).toMatchObject({ kind: 'stopped' })
  })

  test('when it comes while the next life is put together', async () => {
    let paused: Promise<void> | undefined
    const device = lives((life) => {
      if (life === 3) paused = machine.pause()
    })
    using machine = await create({ boot: boot(RESET), devices: [device] })
    const running = machine.run()
    await expect.poll(() => device.count, { timeout: 20_000 }).toBe(3)
    await paused
    await sleep(MOMENT)
    expect(device.count).toBe(3)
    machine.resume()
    await expect.poll(() => device.count).toBeGreaterThan(3)
    await machine.stop()
    await running
  })

  test('until one resume(), however often it was said', async () => {
    using machine = await create({ boot: boot(COUNT) })
    await machine.pause()
    await machine.pause()
    const running = machine.run()
    machine.resume()
    await expect.poll(() => machine.vm.memory.readUint32(COUNTER)).toBeGreaterThan(0)
    await Promise.all([machine.pause(), machine.pause()])
    const counted = machine.vm.memory.readUint32(COUNTER)
    await sleep(MOMENT)
    expect(machine.vm.memory.readUint32(COUNTER)).toBe(counted)
    machine.resume()
    await expect.poll(() => machine.vm.memory.readUint32(COUNTER)).not.toBe(counted)
    await machine.stop()
    await running
  })

  test('not once resume() has overtaken it', async () => {
    using machine = await create({ boot: boot(END) })
    const paused = machine.pause()
    machine.resume()
    await paused
    expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit' })
  })
})

describe.each(['before it has begun', 'while it runs', 'between two lives'])('a machine that is paused %s', (when) => {
  async function paused(options: { timeout?: number } = {}) {
    const guest = when === 'between two lives' ? RESET : COUNT
    const machine = await create({ boot: boot(guest) })
    if (when === 'before it has begun') await machine.pause()
    const running = machine.run(options)
    await machine.pause()
    return { machine, running }
  }

  test('can be stopped', async () => {
    const { machine, running } = await paused()
    await machine.stop()
    expect(await running).toMatchObject({ kind: 'stopped' })
    machine.close()
  })

  test('can be closed', async () => {
    const { machine, running } = await paused()
    machine.close()
    expect(await running).toMatchObject({ kind: 'stopped' })
  })

  test('reaches its time limit, which is in host time', async () => {
    const { machine, running } = await paused({ timeout: 100 })
    expect(await running).toMatchObject({ kind: 'timeout' })
    machine.close()
  })

  test('has a post-mortem and a power button', async () => {
    const { machine, running } = await paused()
    expect((await machine.postMortem()).vcpus[0]?.cpu?.mode).toBe('real mode')
    expect(machine.powerButton()).toBe(false)
    machine.close()
    await running
  })
})

describe("a guest's time", () => {
  const TSC = 0x510
  const PM_TIMER = 0x518
  const PM_TIMER_MHZ = 3.579545
  const inEax = (width: Width) => (width === 4 ? [0x66, 0xed] : [0xec])
  // rdtsc; mov [0x510], eax; mov [0x514], edx; mov dx, 0x608; in eax, dx; mov [0x518], eax; jmp again
  const look = [
    ...[0x0f, 0x31, 0x66, 0xa3, 0x10, 0x05, 0x66, 0x89, 0x16, 0x14, 0x05],
    ...[...movDx(0x608), ...inEax(4), 0x66, 0xa3, 0x18, 0x05],
  ]
  const clocks = [...look, 0xeb, 256 - look.length - 2]

  /** What of each clock passes while the machine is paused for that many milliseconds, and runs for a moment. */
  async function passing(machine: Machine, ms: number) {
    const now = () => ({
      tsc: machine.vm.memory.readUint64(TSC),
      pm: machine.vm.memory.readUint32(PM_TIMER),
      clock: machine.vm.getClock().clock,
    })
    await machine.pause()
    const before = now()
    await sleep(ms)
    const resumed = performance.now()
    machine.resume()
    await sleep(100)
    await machine.pause()
    const ran = performance.now() - resumed
    const after = now()
    machine.resume()
    return {
      ran,
      tsc: Number(after.tsc - before.tsc),
      pm: ((after.pm - before.pm) >>> 0) / PM_TIMER_MHZ / 1000,
      clock: Number(after.clock - before.clock) / 1e6,
    }
  }

  test.each([300, 1500])('stands still while it is paused for %i ms', async (ms) => {
    using machine = await create({ boot: boot(clocks), cpus: 2 })
    const running = machine.run({ timeout: 60_000 })
    await expect.poll(() => machine.vm.memory.readUint32(PM_TIMER)).toBeGreaterThan(0)
    // How fast the counter is: the clock says how long it ran.
    const short = await passing(machine, 0)
    const perMs = short.tsc / short.clock
    const { ran, tsc, pm, clock } = await passing(machine, ms)
    // This KVM does not let the counter be set.
    const counter = kind === 'pvm' ? [] : [tsc / perMs]
    for (const passed of [...counter, pm, clock]) {
      expect(passed).toBeGreaterThan(0)
      expect(passed).toBeLessThan(ran + ms / 2)
    }
    await machine.stop()
    await running
  })

  test("goes on with pausedClock: 'run'", async () => {
    using machine = await create({ boot: boot(clocks), pausedClock: 'run' })
    const running = machine.run({ timeout: 60_000 })
    await expect.poll(() => machine.vm.memory.readUint32(PM_TIMER)).toBeGreaterThan(0)
    const { pm, clock } = await passing(machine, 300)
    expect(Math.min(pm, clock)).toBeGreaterThan(300)
    await machine.stop()
    await running
  })

  test('has no ticks of the timer to make up for', async () => {
    // The handler counts at 0x500; the timer ticks at 1 kHz.
    const handler = [
      0xfe,
      0x06,
      0x00,
      0x05,
      0x75,
      0x04,
      0xfe,
      0x06,
      0x01,
      0x05,
      0x50,
      ...movAl(0x20),
      ...outAl(0x20),
      0x58,
      0xcf,
    ]
    const at = ADDRESS + 0x80
    const start = [
      // xor ax, ax; mov ds, ax; mov ss, ax; mov sp, 0x7000; mov word [0x20], handler; mov word [0x22], 0
      ...[...CLI, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70],
      ...[0xc7, 0x06, 0x20, 0x00, at & 0xff, at >> 8, 0xc7, 0x06, 0x22, 0x00, 0x00, 0x00],
      ...[...movAl(0x34), ...outAl(0x43), ...movAl(0xa9), ...outAl(0x40), ...movAl(0x04), ...outAl(0x40)],
      ...[...movAl(0xfe), ...outAl(0x21), ...STI, ...HLT, 0xeb, 0xfd],
    ]
    const padding = new Array<number>(0x80 - start.length).fill(0x90)
    using machine = await create({ boot: boot(start, padding, handler) })
    const running = machine.run({ timeout: 60_000 })
    const ticks = () => machine.vm.memory.readUint16(COUNTER)
    await expect.poll(ticks).toBeGreaterThan(20)
    await machine.pause()
    const before = ticks()
    await sleep(1500)
    const resumed = performance.now()
    machine.resume()
    await sleep(100)
    await machine.pause()
    expect(ticks() - before).toBeLessThan(performance.now() - resumed + 500)
    await machine.stop()
    await running
  })
})
