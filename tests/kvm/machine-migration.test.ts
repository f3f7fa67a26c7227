// Machines that go on elsewhere.
import type { Duplex } from 'node:stream'
import { type DeviceNode, flat, type Machine, type MigrateOptions } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { COUNTER, PORT } from './counting-machine.js'
import { assemble } from './guests.js'
import { type Cut, GO, receive, start, STARTED, streams } from './migrating.js'

async function move(machine: Machine, options: MigrateOptions = {}) {
  const [source, target] = streams()
  const [report, arrived] = await Promise.all([machine.migrate(source, options), receive(target)])
  return { report, ...arrived }
}

test.each(['memfd', 'anonymous'] as const)(
  'a machine with RAM in %s memory goes on elsewhere with the next number, and ends here',
  async (backing) => {
    const { machine, listener, run } = await start({ backing })
    const { report, listener: heard, machine: arrived } = await move(machine)
    expect(await run).toMatchObject({ kind: 'migrated' })
    await heard.hear(20)
    expect(heard.first).toBe(listener.last + 1)
    expect(listener.isWhole() && heard.isWhole()).toBe(true)
    expect(report.rounds).toBeGreaterThan(1)
    expect(report.sent).toBeGreaterThan(4096)
    // And on.
    const { listener: last } = await move(arrived)
    await last.hear(20)
    expect(last.first).toBe(heard.last + 1)
  },
)

/** Counts the interrupts of the i8254, 100 in a second, and says each number. */
const TICKS = assemble([
  // Stack; the vector 0x20.
  ...[0xfa, 0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0, 0xbc, 0x00, 0x70],
  ...[0xc7, 0x06, 0x80, 0x00, 0x3a, 0x80, 0xc7, 0x06, 0x82, 0x00, 0x00, 0x00],
  // The 8259: vectors from 0x20 on, nothing but IRQ 0.
  ...[
    0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21, 0xb0, 0x01, 0xe6, 0x21, 0xb0, 0xfe, 0xe6,
    0x21,
  ],
  // The i8254; sti; hlt; and again.
  ...[0xb0, 0x34, 0xe6, 0x43, 0xb0, 0x9c, 0xe6, 0x40, 0xb0, 0x2e, 0xe6, 0x40, 0xfb, 0xf4, 0xeb, 0xfd],
  // The interrupt: counts, says it, and iret.
  ...[0x66, 0xff, 0x06, 0x00, 0x30, 0x66, 0xa1, 0x00, 0x30, 0xba, 0x60, 0x06, 0x66, 0xef, 0xb0, 0x20, 0xe6, 0x20, 0xcf],
])

test('a guest that waits for interrupts is woken by them elsewhere', async () => {
  const boot = flat({ image: TICKS, address: 0x8000, mode: 'real' })
  const { machine, listener } = await start({ boot })
  const { listener: heard } = await move(machine)
  await heard.hear(10)
  expect(heard.first).toBe(listener.last + 1)
  expect(heard.isWhole()).toBe(true)
})

test('each device has its state', async () => {
  const remembers = (value: number): { node: DeviceNode; value: () => number } => {
    let state = { version: 1, value }
    const device = {
      ...{ read: () => undefined, write: () => undefined, save: () => state },
      restore: (other: object) => void (state = other as typeof state),
    }
    return { node: { name: 'remembers', resources: [{ port: PORT + 8, length: 1 }], device }, value: () => state.value }
  }
  const [before, after] = [remembers(7), remembers(0)]
  const { machine } = await start({ devices: [before.node] })
  const [source, target] = streams()
  await Promise.all([machine.migrate(source), receive(target, {}, [after.node])])
  expect(after.value()).toBe(7)
})

test('what a device has said that it writes, long before it does, comes along', async () => {
  let late: Uint8Array | undefined
  // As a disk does that reads a file into guest memory: when it is to stand still, it ends what it has begun.
  const reads: DeviceNode = {
    ...{ name: 'reads', resources: [{ port: PORT + 8, length: 1 }] },
    device: { read: () => undefined, write: () => undefined, pause: () => void late?.fill(0xab) },
  }
  const { machine } = await start({ devices: [reads] })
  const [source, target] = streams()
  const progress = () => void (late ??= machine.vm.memory.dma.slices(0x20_0000, 4096, 'write')?.[0])
  const arriving = receive(target, {}, [{ ...reads, device: { read: () => undefined, write: () => undefined } }])
  const [, { machine: arrived }] = await Promise.all([machine.migrate(source, { progress }), arriving])
  expect(arrived.vm.memory.readUint32(0x20_0000)).toBe(0xabab_abab)
})

test('a page that has become zeros has zeros', async () => {
  const { machine } = await start()
  const { dma } = machine.vm.memory
  dma.write(0x20_0000, Uint8Array.of(1, 2, 3))
  const progress = () => void dma.write(0x20_0000, new Uint8Array(3))
  const { machine: arrived } = await move(machine, { progress })
  expect(arrived.vm.memory.readUint32(0x20_0000)).toBe(0)
})

test('a machine that is paused, or has not run yet, goes too', async () => {
  const { machine, run } = await start()
  await machine.pause()
  const { machine: second } = await move(machine)
  expect(await run).toMatchObject({ kind: 'migrated' })
  await second.pause()
  const counter = second.vm.memory.readUint32(COUNTER)
  const [source, target] = streams()
  const arriving = receive(target, {}, [], { runs: false })
  await second.migrate(source)
  const { machine: third } = await arriving
  expect(third.vm.memory.readUint32(COUNTER)).toBe(counter)
  const { listener } = await move(third)
  await listener.hear(5)
  await expectRejection(third.run(), 'ERR_KVM_GUEST_ENDED')
})

test('a machine that has been moved can be frozen and forked, and not put back', async () => {
  const { machine } = await start()
  const { machine: arrived, listener } = await move(machine)
  await listener.hear(5)
  using template = await arrived.freeze()
  using fork = await template.fork({ devices: [listener.node] })
  expect(fork.closed).toBe(false)
  await expectRejection(arrived.rewind(), 'ERR_KVM_SNAPSHOT', /moved here/)
})

describe('exactly one goes on', () => {
  /** Moves a machine over a stream that is cut; says where it goes on. */
  async function moveOver(cut: Cut, { canAsk }: { canAsk: boolean }) {
    const { machine, listener, run } = await start()
    const [source, target] = streams(cut)
    const arrivals: Promise<Awaited<ReturnType<typeof receive>> | undefined>[] = []
    const expectOne = (stream: Duplex) => {
      arrivals.push(receive(stream, { timeout: 2000 }).catch(() => undefined))
    }
    const reconnect = () => {
      const [one, other] = streams()
      expectOne(other)
      return one
    }
    expectOne(target)
    const error = await machine.migrate(source, { timeout: 2000, ...(canAsk ? { reconnect } : {}) }).then(
      () => undefined,
      (thrown: unknown) => (thrown as { code?: string }).code,
    )
    const arrived = (await Promise.all(arrivals)).find((each) => each !== undefined)
    return { machine, listener, run, error, arrived }
  }

  test.each(['source', 'target'] as const)(
    'whatever message of the %s is the last to arrive, when it can be asked',
    { timeout: 120_000 },
    async (end) => {
      const results: string[] = []
      for (let after = 0; results.at(-1) !== 'whole'; after++) {
        const { machine, listener, run, error, arrived } = await moveOver({ end, after }, { canAsk: true })
        const goesOn = arrived?.listener ?? listener
        const last = listener.last
        await goesOn.hear(20)
        expect(goesOn.isWhole()).toBe(true)
        if (arrived === undefined) {
          expect(error).toBe('ERR_KVM_MIGRATION')
          results.push('stays')
        } else {
          expect(error).toBeUndefined()
          expect(await run).toMatchObject({ kind: 'migrated' })
          expect(arrived.listener.first).toBe(last + 1)
          expect(listener.last).toBe(last)
          results.push('moved')
        }
        arrived?.machine.close()
        machine.close()
        if (after > 200) throw new Error('it has no end')
        // A stream that lost nothing.
        if (results.slice(-4).every((each) => each === 'moved') && results.length > 8) results.push('whole')
      }
      expect(results[0]).toBe('stays')
    },
  )

  test.each([
    { lost: 'go', cut: { end: 'source', at: GO } },
    { lost: 'started', cut: { end: 'target', at: STARTED } },
  ] as const)(
    "without '$lost', where the target cannot be asked, the source stands still until it is told",
    async ({ lost, cut }) => {
      const { machine, listener, error, arrived } = await moveOver(cut, { canAsk: false })
      expect(error).toBe('ERR_KVM_MIGRATION_IN_DOUBT')
      const { last } = listener
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(listener.last).toBe(last)
      expect(arrived === undefined).toBe(lost === 'go')
      if (arrived === undefined) machine.resume()
      const goesOn = arrived?.listener ?? listener
      await goesOn.hear(10)
      expect(goesOn.isWhole()).toBe(true)
    },
  )

  test('where any other message is lost, nobody is in doubt', { timeout: 120_000 }, async () => {
    for (const cut of [
      ...[1, 2, 4, 5].map((at) => ({ end: 'source', at }) as const),
      ...[16, 17, 18].map((at) => ({ end: 'target', at }) as const),
    ]) {
      const { machine, listener, error, arrived } = await moveOver(cut, { canAsk: false })
      expect(error, `without message ${cut.at}`).toBe('ERR_KVM_MIGRATION')
      expect(arrived).toBeUndefined()
      await listener.hear(10)
      expect(listener.isWhole()).toBe(true)
      machine.close()
    }
  })
})
