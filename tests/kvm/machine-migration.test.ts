// Machines that go on elsewhere.
import { readdirSync } from 'node:fs'
import { Duplex } from 'node:stream'
import { Machine, type MachineOptions, type MigrateOptions, type ReceiveOptions } from 'node-kvm/machine'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { COUNTER, counting, Listener } from './counting-machine.js'

/** Two ends of a stream. `cut` says after how many messages of which end nothing comes through any more. */
function streams(cut?: { end: 'source' | 'target'; after: number }): [source: Duplex, target: Duplex] {
  const ends: Duplex[] = []
  let broken = false
  const make = (name: 'source' | 'target', other: number) => {
    let messages = 0
    const end = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (cut?.end === name && messages++ >= cut.after) broken = true
        const [one, two] = ends as [Duplex, Duplex]
        if (broken) {
          one.destroy()
          two.destroy()
        } else ends[other]?.push(chunk)
        setImmediate(done)
      },
      final: (done) => {
        if (!broken) ends[other]?.push(null)
        done()
      },
      destroy: (error, done) => {
        const peer = ends[other]
        if (peer !== undefined && !peer.destroyed) setImmediate(() => peer.destroy())
        done(error)
      },
    })
    end.on('error', () => undefined)
    return end
  }
  ends.push(make('source', 1), make('target', 0))
  return ends as [Duplex, Duplex]
}

async function start(options: Partial<MachineOptions> = {}) {
  const listener = new Listener()
  const machine = await Machine.create({ ...counting, ...options, devices: [listener.node] })
  const run = machine.run()
  run.catch(() => undefined)
  onTestFinished(() => {
    machine.close()
  })
  await listener.hear(10)
  return { machine, listener, run }
}

/** Waits at a stream for a machine; runs it once it has come. */
async function receive(stream: Duplex, options: ReceiveOptions = {}) {
  const listener = new Listener()
  const machine = await Machine.receive(stream, { devices: () => [listener.node], ...options })
  onTestFinished(() => {
    machine.close()
  })
  void machine.run()
  return { machine, listener }
}

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
