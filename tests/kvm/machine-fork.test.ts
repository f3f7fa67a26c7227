// Machines that are frozen, forked and put back.
import { readdirSync } from 'node:fs'
import {
  firmware,
  flat,
  Machine,
  type MachineOptions,
  type RestoreOptions,
  serial,
  type Template,
  virtio,
} from 'node-kvm/machine'
import { Rng } from 'node-kvm/virtio'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectRefusal, expectRejection } from '../thrown.js'
import { COUNTER, counting, Listener } from './counting-machine.js'
import { assemble, HLT, outAl, SPIN } from './guests.js'

async function start(options: Partial<MachineOptions> = {}) {
  const listener = new Listener()
  const { devices = [], ...others } = options
  const machine = await Machine.create({ ...counting, ...others, devices: [listener.node, ...devices] })
  const run = machine.run()
  onTestFinished(() => {
    machine.close()
  })
  await listener.hear(10)
  return { machine, listener, run }
}

async function fork(template: Template, options: RestoreOptions = {}) {
  const listener = new Listener()
  const { devices = [], ...others } = options
  const machine = await template.fork({ devices: [listener.node, ...devices], ...others })
  onTestFinished(() => {
    machine.close()
  })
  return { machine, listener }
}

describe.each(['memfd', 'anonymous'] as const)('a machine with RAM in %s memory', (backing) => {
  test('is frozen as it runs, and it and its forks go on from there, each by itself', async () => {
    const { machine, listener, run } = await start({ backing })
    using template = await machine.freeze()
    const frozenAt = listener.last
    const [one, other] = [await fork(template), await fork(template)]
    const forks = [one, other]
    const runs = forks.map((each) => each.machine.run())
    await Promise.all([listener, ...forks.map((each) => each.listener)].map((each) => each.hear(50)))
    expect(listener.isWhole()).toBe(true)
    for (const each of forks) {
      expect(each.listener.first).toBe(frozenAt + 1)
      expect(each.listener.isWhole()).toBe(true)
    }
    // One stops; the others do not notice.
    await one.machine.stop()
    expect(await runs[0]).toMatchObject({ kind: 'stopped' })
    await Promise.all([listener.hear(5), other.listener.hear(5)])
    await machine.stop()
    expect(await run).toMatchObject({ kind: 'stopped' })
    await other.listener.hear(5)
  })

  test('is frozen while it is paused, and stays so', async () => {
    const { machine, listener } = await start({ backing })
    await machine.pause()
    using template = await machine.freeze()
    const count = listener.heard.length
    const { machine: made, listener: heard } = await fork(template)
    void made.run()
    await heard.hear(20)
    expect(listener.heard).toHaveLength(count)
    machine.resume()
    await listener.hear(5)
    expect(listener.isWhole()).toBe(true)
  })

  test('is frozen before it runs', async () => {
    using machine = await Machine.create({ ...counting, backing, devices: [new Listener().node] })
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    void made.run()
    await listener.hear(5)
    expect(listener.heard.slice(0, 3)).toEqual([1, 2, 3])
  })

  test('is frozen again, and so is a fork: each template is of its own moment', async () => {
    const { machine, listener } = await start({ backing })
    using first = await machine.freeze()
    const at = listener.last
    await listener.hear(20)
    using second = await machine.freeze()
    const { machine: made, listener: heard } = await fork(first)
    void made.run()
    await heard.hear(10)
    using ofFork = await made.freeze()
    const ofForkAt = heard.last
    const [again, later] = [await fork(second), await fork(ofFork)]
    void again.machine.run()
    void later.machine.run()
    await Promise.all([again.listener.hear(3), later.listener.hear(3)])
    expect(heard.first).toBe(at + 1)
    expect(again.listener.first).toBeGreaterThan(at + 20)
    expect(later.listener.first).toBe(ofForkAt + 1)
  })
})

describe('a fork', () => {
  test('is put back as it runs: what it wrote is gone, and it goes on from where it began', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    const run = made.run()
    for (let times = 0; times < 3; times++) {
      const before = listener.heard.length
      await listener.hear(30)
      made.vm.memory.writeUint32(0x10_0000, 0xdead)
      await made.rewind()
      const index = listener.heard.length
      expect(made.vm.memory.readUint32(0x10_0000)).toBe(0)
      await listener.hear(10)
      expect(listener.heard[index]).toBe(listener.first)
      expect(listener.isWhole(index)).toBe(true)
      expect(index).toBeGreaterThan(before)
    }
    await made.stop()
    await run
    for (const late of [() => made.rewind(), () => made.freeze()]) {
      await expectRejection(late(), 'ERR_KVM_GUEST_ENDED', /nothing that could go on/)
    }
  })

  test('is put back while it is paused, and stays so', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    void made.run()
    await listener.hear(10)
    await made.pause()
    const index = listener.heard.length
    await made.rewind()
    expect(made.vm.memory.readUint32(COUNTER)).toBeLessThan(listener.last)
    made.resume()
    await listener.hear(10)
    expect(listener.heard[index]).toBe(listener.first)
  })

  test('waits for resume() when it was paused before it ran', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    await made.pause()
    void made.run()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(listener.heard).toEqual([])
    made.resume()
    await listener.hear(5)
    expect(listener.isWhole()).toBe(true)
  })

  test('has the state of each device', async () => {
    const device = () => serial({ output: () => undefined })
    const { machine } = await start({ devices: [device(), virtio(new Rng())] })
    // 8 data bits, even parity: in COM1's line control register
    void machine.ports.write(0x3fb, Uint8Array.of(0x1b))
    using template = await machine.freeze()
    const { machine: made } = await fork(template, { devices: [device(), virtio(new Rng())] })
    const data = new Uint8Array(1)
    void made.ports.read(0x3fb, data)
    expect(data[0]).toBe(0x1b)
    expect(made.devices.get('serial0')?.save?.()).toEqual(machine.devices.get('serial0')?.save?.())
  })

  test('that resets ends, or boots what it was given for that', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: ends } = await fork(template)
    const run = ends.run()
    void ends.ports.write(0x64, Uint8Array.of(0xfe))
    expect(await run).toMatchObject({ kind: 'reset' })
    const { machine: boots, listener } = await fork(template, { boot: counting.boot })
    void boots.run()
    await listener.hear(5)
    const index = listener.heard.length
    void boots.ports.write(0x64, Uint8Array.of(0xfe))
    await listener.hear(50)
    expect(listener.heard.slice(index)).toContain(1)
  })

  test('that has booted again is put back, too', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template, { boot: counting.boot })
    void made.run()
    await listener.hear(5)
    const index = listener.heard.length
    void made.ports.write(0x64, Uint8Array.of(0xfe))
    while (!listener.heard.slice(index).includes(1)) await listener.hear(5)
    await made.rewind()
    const again = listener.heard.length
    await listener.hear(5)
    expect(listener.heard[again]).toBe(listener.first)
    expect(listener.isWhole(again)).toBe(true)
  })

  test('may be frozen, put back and paused all at once: one thing is done after the other', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    void made.run()
    await listener.hear(20)
    const [first, , , second] = await Promise.all([made.freeze(), made.rewind(), made.pause(), made.freeze()])
    const count = listener.heard.length
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(listener.heard).toHaveLength(count)
    const [before, after] = [await fork(first), await fork(second)]
    void before.machine.run()
    void after.machine.run()
    await Promise.all([before.listener.hear(3), after.listener.hear(3)])
    expect(before.listener.first).toBeGreaterThan(listener.first + 15)
    expect(after.listener.first).toBe(listener.first)
    made.resume()
    await listener.hear(3)
    expect(listener.heard[count]).toBe(listener.first)
    first.close()
    second.close()
  })

  test('does not need its template any more, and a closed one makes none', async () => {
    const { machine } = await start()
    const template = await machine.freeze()
    const { machine: made, listener } = await fork(template)
    template.close()
    machine.close()
    void made.run()
    await listener.hear(20)
    expect(listener.isWhole()).toBe(true)
    await expectRejection(fork(template), 'ERR_KVM_CLOSED', /template/)
    // Nor does it go back to it; it is not half of it then.
    await expectRejection(made.rewind(), 'ERR_KVM_CLOSED', /template/)
    const index = listener.heard.length
    await listener.hear(5)
    expect(listener.isWhole(index - 1)).toBe(true)
  })

  test('must have the same devices in the same places', async () => {
    const { machine } = await start()
    using template = await machine.freeze()
    await expectRejection(template.fork(), 'ERR_KVM_SNAPSHOT', /listener cannot be restored: the saved machine had it/)
    const more = [new Listener().node, serial({ output: () => undefined })]
    await expectRejection(template.fork({ devices: more }), 'ERR_KVM_SNAPSHOT', /serial0 .* leave it out/)
    const elsewhere = { ...new Listener().node, resources: [{ port: 0x770, length: 4 }] }
    await expectRejection(
      template.fork({ devices: [elsewhere] }),
      'ERR_KVM_SNAPSHOT',
      /listener .* it was at .* and is at/,
    )
  })

  test('leaves nothing behind', { timeout: 120_000 }, async () => {
    const { machine } = await start()
    await machine.pause()
    using template = await machine.freeze()
    const descriptors = () => readdirSync('/proc/self/fd').length
    const make = async () => {
      const { machine: made, listener } = await fork(template)
      const run = made.run()
      await listener.hear(2)
      await made.stop()
      await run
      made.close()
    }
    await make()
    const before = descriptors()
    for (let times = 0; times < 40; times++) await make()
    expect(descriptors()).toBeLessThanOrEqual(before + 2)
  })
})

test('read-only memory and memory beside RAM are forked, too', async () => {
  const kept = { at: 0x4000_0000, size: 0x1000 }
  const image = new Uint8Array(0x1_0000).fill(0x90)
  // At the reset vector: out 0x80, al; and round.
  image.set(assemble([...outAl(0x80), ...SPIN]), 0xfff0)
  using machine = await Machine.create({
    memory: '2M',
    boot: firmware({ image }),
    memoryMap: { regions: [kept] },
  })
  machine.vm.memory.writeUint32(kept.at, 0x1234)
  using template = await machine.freeze()
  machine.vm.memory.writeUint32(kept.at, 0x5678)
  await expectRejection(template.fork(), 'ERR_KVM_SNAPSHOT', /4096 bytes at 0x40000000.* and this one has none/)
  using made = await template.fork({ regions: [kept] })
  expect(made.vm.memory.readUint32(kept.at)).toBe(0x1234)
  expect(made.vm.memory.readUint8(0xffff_fff0)).toBe(image[0xfff0])
  expect(made.vm.memory.dma.write(0xffff_fff0, Uint8Array.of(0))).toBe(false)
})

test('a device goes on with the object that it returned, and each fork has its own', async () => {
  const device = () => {
    const state = { count: 0, list: [1] }
    return {
      name: 'own',
      resources: [{ port: 0x300, length: 1 }],
      device: {
        read: (_: number, data: Uint8Array) => data.fill(state.list.length),
        write: () => void state.list.push(1),
        save: () => state,
        restore: (saved: object) => void Object.assign(state, saved),
      },
    }
  }
  using machine = await Machine.create({ ...counting, devices: [device()] })
  using template = await machine.freeze()
  const read = (one: Machine) => {
    const data = new Uint8Array(1)
    void one.ports.read(0x300, data)
    return data[0]
  }
  void machine.ports.write(0x300, Uint8Array.of(1))
  using one = await template.fork({ devices: [device()] })
  void one.ports.write(0x300, Uint8Array.of(1))
  void one.ports.write(0x300, Uint8Array.of(1))
  using other = await template.fork({ devices: [device()] })
  expect([machine, one, other].map(read)).toEqual([2, 3, 1])
  const half = { ...device(), name: 'half', resources: [{ port: 0x301, length: 1 }] }
  using cannot = await Machine.create({
    ...counting,
    devices: [{ ...half, device: { read: half.device.read, write: half.device.write, save: half.device.save } }],
  })
  await expectRejection(cannot.freeze(), 'ERR_KVM_SNAPSHOT', /half .* give it both, or none/)
})

test('a machine that was closed is not frozen', async () => {
  const machine = await Machine.create(counting)
  machine.close()
  expectRefusal(() => machine.save(), 'ERR_KVM_CLOSED', /closed/)
  await expectRejection(machine.freeze(), 'ERR_KVM_CLOSED', /closed/)
})

test('a machine that was restored from nothing cannot be put back', async () => {
  using machine = await Machine.create({
    memory: '1M',
    boot: flat({ image: assemble([...HLT]), address: 0x8000, mode: 'real' }),
  })
  await expectRejection(machine.rewind(), 'ERR_KVM_SNAPSHOT', /not restored or forked/)
})

test('a state from elsewhere is checked before there is a VM', async () => {
  const { machine } = await start()
  await machine.pause()
  const state = machine.save()
  const wrong: [object, RegExp][] = [
    [{ ...state, version: 2 }, /version/],
    [{ ...state, architecture: 'arm' }, /architecture/],
    [{ ...state, shape: { ...state.shape, cpus: 0 } }, /cpus/],
    [{ ...state, memory: [] }, /memory/],
    [{ ...state, memory: state.memory.map((region) => ({ ...region, size: 4097 })) }, /multiple of 4096/],
    [{ ...state, clock: 12 }, /clock/],
  ]
  const open = () => {
    throw new Error('nobody asks for memory')
  }
  for (const [each, message] of wrong) {
    await expectRejection(Machine.restore({ state: each as typeof state, open }), 'ERR_KVM_INVALID_STATE', message)
  }
})

describe('the generation ID', () => {
  const PLACE = 0xf_f000
  const idOf = (machine: Machine) => Buffer.from(machine.vm.memory.read(PLACE, 16)).toString('hex')
  /** Whether the line has been pulled since the guest was last told of it: the 8259 remembers. */
  const isTold = (machine: Machine) => (machine.vm.getIrqchip('pic-master').irr & (1 << 6)) !== 0

  test('is another one in each fork, whose guest is told; the machine itself keeps its own', async () => {
    const { machine } = await start({ backing: 'memfd' })
    const id = idOf(machine)
    expect(id).not.toBe('0'.repeat(32))
    using template = await machine.freeze()
    const forks = [(await fork(template)).machine, (await fork(template)).machine]
    const ids = [id, ...forks.map(idOf)]
    expect(new Set(ids).size).toBe(3)
    expect(ids.map((each, index) => [each === id, isTold([machine, ...forks][index]!)])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ])
  })

  test('is another one each time that a fork is put back', async () => {
    const { machine } = await start({ backing: 'memfd' })
    using template = await machine.freeze()
    const { machine: one } = await fork(template)
    const first = idOf(one)
    await one.rewind()
    expect(idOf(one)).not.toBe(first)
  })

  test('stays where the one machine goes on elsewhere', async () => {
    const { machine } = await start({ backing: 'memfd' })
    using template = await machine.freeze()
    const origin = { state: template.state, open: template.open.bind(template), continues: true }
    const other = await Machine.restore(origin, { devices: [new Listener().node] })
    onTestFinished(() => {
      other.close()
    })
    expect([idOf(other), isTold(other)]).toEqual([idOf(machine), false])
  })

  test('stays over a reset', async () => {
    const machine = await Machine.create({
      memory: '4M',
      onReset: 'boot',
      // It resets once: mov dx, 0x64; mov al, 0xfe; out dx, al
      boot: flat({ image: assemble([0xba, 0x64, 0, 0xb0, 0xfe, 0xee], SPIN), address: 0x8000, mode: 'real' }),
    })
    const id = idOf(machine)
    machine.observe({ reset: () => void setImmediate(() => void machine.stop()) })
    await machine.run()
    expect(idOf(machine)).toBe(id)
    machine.close()
  })

  test('a device is told that its machine is a fork', async () => {
    const told: string[] = []
    const node = (name: string) => ({
      ...{ name: 'own', resources: [] },
      device: { read: () => undefined, write: () => undefined, forked: () => void told.push(name) },
    })
    const { machine } = await start({ backing: 'memfd', devices: [node('first')] })
    using template = await machine.freeze()
    await fork(template, { devices: [node('second')] })
    expect(told).toEqual(['second'])
  })
})
