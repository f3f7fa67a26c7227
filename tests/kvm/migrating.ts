// What tests of migrations share: streams that can be cut, machines that leave, and machines that arrive.
import { Duplex } from 'node:stream'
import {
  type DeviceNode,
  Machine,
  type MachineDevice,
  type MachineOptions,
  type ReceiveOptions,
} from 'node-kvm/machine'
import { onTestFinished } from 'vitest'
import { counting, Listener } from './counting-machine.js'

/** Of the messages of docs/migration.md the two behind which nobody can know, by their numbers. */
export const GO = 6
export const STARTED = 19

/** From which message of which end on nothing comes through any more: how many come before it, or which one it is. */
export type Cut = { end: 'source' | 'target' } & ({ after: number } | { at: number })

/** Two ends of a stream, which takes `delay` ms for each message. */
export function streams(cut?: Cut, delay = 0): [source: Duplex, target: Duplex] {
  const ends: Duplex[] = []
  let broken = false
  const make = (name: 'source' | 'target', other: number) => {
    let messages = 0
    const end = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (cut?.end === name) broken ||= 'after' in cut ? messages++ >= cut.after : chunk.readUInt32LE(4) === cut.at
        const [one, two] = ends as [Duplex, Duplex]
        const arrive = () => {
          if (broken) {
            one.destroy()
            two.destroy()
          } else ends[other]?.push(chunk)
          done()
        }
        if (delay > 0) setTimeout(arrive, delay)
        else setImmediate(arrive)
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

export async function start(options: Partial<MachineOptions> = {}) {
  const listener = new Listener()
  const machine = await Machine.create({
    ...counting,
    ...options,
    devices: [listener.node, ...(options.devices ?? [])],
  })
  const run = machine.run()
  run.catch(() => undefined)
  onTestFinished(() => {
    machine.close()
  })
  await listener.hear(10)
  return { machine, listener, run }
}

interface Receiving {
  runs?: boolean
  /** Made when the source has let go of them. */
  devices?: () => Promise<MachineDevice[]>
}

/** Waits at a stream for a machine; runs it once it has come. */
export async function receive(
  stream: Duplex,
  options: ReceiveOptions = {},
  devices: readonly DeviceNode[] = [],
  { runs = true, devices: more = () => Promise.resolve([]) }: Receiving = {},
) {
  const listener = new Listener()
  const machine = await Machine.receive(stream, {
    devices: async () => [listener.node, ...devices, ...(await more())],
    ...options,
  })
  onTestFinished(() => {
    machine.close()
  })
  if (runs) void machine.run()
  return { machine, listener }
}
