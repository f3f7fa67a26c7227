// Hostile drivers on a whole machine and the real KVM: every virtio device on both transports, each driven by the guest's own code.
// BARs move, and queues, devices and the machine are reset while requests are on their way. Afterwards, or after the reset, a good
// driver begins anew in the same guest and has a request answered by each device.
//   NODE_KVM_FUZZ_RUNS=20000 npx vitest run --project kvm machine-virtio-fuzz --testTimeout 0     tries 2,500 of them
import { readdirSync } from 'node:fs'

import fc from 'fast-check'
import { flat, Machine, type Outcome, virtio } from 'node-kvm/machine'
import { expect, test } from 'vitest'

import {
  QUEUE_FEATURES,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_RING_RESET,
  VIRTIO_F_VERSION_1,
} from '../../lib/virtio/features.js'
import type { VirtioDevice } from '../../lib/virtio/virtio-device.js'
import { fuzzRuns } from '../unit/fuzz-runs.js'
import { FUZZED } from '../unit/virtio/fuzz-devices.js'
import { type Access, codeOf, imm32 } from './accesses.js'
import { AMOUNTS, PATIENCE } from './amounts.js'
import { assemble } from './guests.js'
import { BAR_PLACE, MMIO_PLACE, QUEUE_SIZE, RINGS, VirtioGuest } from './virtio-guest.js'

const MEMORY = 0x100_0000
/** The guest's code, where no device can write: it is for drivers to be reset, not for the code that does it. */
const ROM = 0xc800_0000
const ROM_SIZE = 0x4_0000
const BOOT = 0x80_0000
const BUFFERS = 0x20_0000
/** Reads as how often the machine has been reset; the one behind it lets the event loop go round. */
const LIVES = 0x300
const LAST_VALUE = 0x2a

const TRANSPORTS = ['mmio', 'pci'] as const
/** GSIs of the first transport that no other device of a PC has. */
const LINES = [5, 7, 10, 11, 12]
const COUNT = Object.keys(FUZZED).length
const MAX_QUEUE = 5

/** The devices of a machine, and what drives each. */
function makeDevices() {
  const makers = Object.values(FUZZED)
  return TRANSPORTS.flatMap((transport, which) =>
    makers.map(([make, queue], number) => {
      const device: VirtioDevice = make()
      const place = { address: MMIO_PLACE + 0x1000 * number, gsi: LINES[number]! }
      return {
        ...{ device, queue },
        node: virtio(device, transport === 'mmio' ? { transport, place } : { transport }),
        guest: new VirtioGuest(device, transport, number, which * COUNT + number),
      }
    }),
  )
}
type Driven = ReturnType<typeof makeDevices>[number]

const buffer = fc.nat(0xffff).map((offset) => BUFFERS + offset)
/** Free, rings, the end of memory, devices' own registers, nowhere. */
const address = fc.oneof(
  { weight: 6, arbitrary: buffer },
  fc.nat(0x9_ffff).map((offset) => RINGS + offset),
  fc.constantFrom(MEMORY - 4, MEMORY, ROM, MMIO_PLACE, BAR_PLACE, 0xe000_0000, 0xfee0_0000, 0xffff_ffff),
)
const place = fc.constantFrom(0, BUFFERS, ROM, MMIO_PLACE, 0xe000_0000, BAR_PLACE, BAR_PLACE + 0x10_2000, 0xfee0_0000)
const any = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
/** Mostly without packed rings, which the driver's are not. */
const features = fc.oneof({ weight: 7, arbitrary: any.map((bits) => bits & ~VIRTIO_F_RING_PACKED) }, any)
const length = fc.oneof(fc.constantFrom(0, 1, 15, 16, 17, 512, 0xffff_ffff), fc.nat(0x1000))
const flags = fc.oneof({ weight: 9, arbitrary: fc.nat(7) }, { weight: 1, arbitrary: fc.nat(0xffff) })
const queue = fc.nat(MAX_QUEUE)
const width = fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8)
const configWidth = fc.constantFrom<1 | 2 | 4>(1, 2, 4)
const slot = fc.nat(QUEUE_SIZE - 1)
const offset = fc.oneof(fc.nat(0x120), fc.nat(0x3fff))

type Step = (driven: Driven) => Access[]
const TURN: Access = { kind: 'port', port: LIVES + 1, width: 1, write: false, value: 0n }
const MACHINE_RESET: Access = { kind: 'port', port: 0xcf9, width: 1, write: true, value: 6n }

const accept = ({ features: own }: VirtioDevice, bits: bigint) => VIRTIO_F_VERSION_1 | (bits & (own | QUEUE_FEATURES))

/** A good driver begins, and makes a request for whose answer nobody waits. */
function beginRequest({ guest, device, queue: index }: Driven, at: number): Access[] {
  const start = guest.start(accept(device, VIRTIO_F_RING_RESET))
  return [...guest.hide(), ...guest.reach(), ...start, ...guest.request(index, at).ask]
}

/** A step that is made of those values. */
function step<T>(weight: number, values: fc.Arbitrary<T>, take: (driven: Driven, values: T) => Access[]) {
  return {
    weight,
    arbitrary: values.map(
      (each): Step =>
        (driven) =>
          take(driven, each),
    ),
  }
}
const nothing = fc.constant(undefined)
const move = fc.tuple(place, fc.nat(7))

/** What a request that is on its way may meet with. */
const interruption = fc.oneof(
  step(3, nothing, ({ guest }) => guest.reset()),
  step(2, nothing, ({ guest, queue: index }) => guest.resetQueue(index)),
  step(1, nothing, ({ guest }) => guest.hide()),
  step(1, move, ({ guest }, all) => guest.move(...all)),
  step(1, nothing, () => []),
)

const steps = fc.oneof(
  step(3, features, ({ guest, device }, bits) => guest.start(accept(device, bits))),
  step(6, fc.tuple(buffer, interruption), (driven, [at, interrupt]) => [
    ...beginRequest(driven, at),
    ...interrupt(driven),
  ]),
  step(9, fc.tuple(queue, slot, address, length, flags, fc.nat(QUEUE_SIZE)), ({ guest }, all) =>
    guest.descriptor(...all),
  ),
  step(7, fc.tuple(queue, fc.nat(QUEUE_SIZE)), ({ guest }, [index, head]) => [
    ...guest.makeAvailable(index, head),
    guest.notify(index),
  ]),
  step(2, queue, ({ guest }, index) => guest.resetQueue(index)),
  step(3, fc.tuple(fc.nat(0xffff), fc.oneof(fc.nat(255).map(BigInt), any), width), ({ guest }, all) => [
    guest.memory(...all),
  ]),
  step(4, fc.tuple(offset, width, fc.boolean(), fc.nat(255), address), ({ guest }, all) => [guest.register(...all)]),
  step(1, fc.tuple(fc.nat(0xff), fc.nat(0xffff_ffff), configWidth), ({ guest }, all) => guest.configure(...all)),
  step(2, move, ({ guest }, all) => guest.move(...all)),
  step(2, nothing, ({ guest }) => guest.reset()),
  step(3, nothing, () => [TURN]),
)

interface Attack {
  /** Of how many there are in all. */
  devices: readonly number[]
  /** Each does something to one of those. */
  steps: readonly (readonly [which: number, step: Step])[]
  /** Resets the machine at the end, in mid-I/O of each of them. */
  reset: boolean
  /** How often the machine is paused while the guest runs. */
  pauses: number
}

/** All of the guest: hostile in its first life, good in each. */
function program(all: readonly Driven[], { devices, steps, reset }: Attack): Uint8Array {
  const code = (accesses: readonly Access[]) => accesses.flatMap(codeOf)
  const reach = [...all.flatMap(({ guest }) => guest.hide()), ...all.flatMap(({ guest }) => guest.reach())]
  const hostile = code([
    ...reach,
    ...all.flatMap(({ guest, device }) => guest.start(accept(device, 0n))),
    ...steps.flatMap(([which, take]) => take(all[devices[which]!]!)),
    ...(reset ? [...devices.flatMap((which) => beginRequest(all[which]!, BUFFERS)), MACHINE_RESET] : []),
  ])
  const good = all.flatMap(({ guest, device, queue: index }, which) => {
    const start = guest.start(accept(device, 0n))
    const { ask, wait } = guest.request(index, BUFFERS + 0x1000 * which)
    // What it says unasked must not come on top of what the next one reads.
    return [...code([...start, ...ask]), ...wait, ...code(guest.reset())]
  })
  return assemble(
    // mov edx, LIVES; in al, dx; test al, al; jnz over the hostile part
    [0xba, ...imm32(LIVES), 0xec, 0x84, 0xc0, 0x0f, 0x85, ...imm32(hostile.length)],
    ...[hostile, code(reach), good],
    // mov al, LAST_VALUE; out 0xf4, al
    [0xb0, LAST_VALUE, 0xe6, 0xf4],
  )
}

async function live(attack: Attack): Promise<{ outcome: Outcome; resets: number; failed: number }> {
  const all = makeDevices()
  const image = program(all, attack)
  using machine = await Machine.create({
    memory: MEMORY,
    // mov eax, ROM; jmp rax
    boot: flat({ image: Uint8Array.of(0xb8, ...imm32(ROM), 0xff, 0xe0), address: BOOT, mode: 'long' }),
    devices: all.map(({ node }) => node),
  })
  machine.vm.addMemory({ at: ROM, size: ROM_SIZE, readonly: true }).write(ROM, image)
  let [resets, failed] = [0, 0]
  machine.observe({ reset: () => resets++, needsReset: () => failed++ })
  const read = async (port: number, data: Uint8Array) => {
    data[0] = Math.min(resets, 1)
    if (port === 1) await turn()
  }
  machine.ports.map(LIVES, 2, { read, write: () => undefined })
  const ended = machine.run({ timeout: PATIENCE / 2 })
  for (let count = 0; count < attack.pauses; count++) {
    await turn()
    await machine.pause()
    machine.resume()
  }
  return { outcome: await ended, resets, failed }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const openFiles = () => readdirSync('/proc/self/fd').length

test('a good driver has a request answered by each device, at once and after a reset of the machine', async () => {
  for (const reset of [false, true]) {
    expect(await live({ devices: [], steps: [], reset, pauses: 2 })).toMatchObject({
      outcome: { kind: 'exit', value: LAST_VALUE },
      resets: reset ? 1 : 0,
      failed: 0,
    })
  }
})
test('whatever a driver does, each device can be reset and used', { timeout: PATIENCE }, async () => {
  const files = openFiles()
  const seen = new Map<string, number>()
  const count = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)
  await fc.assert(
    fc.asyncProperty(
      fc.record<Attack>({
        // A few, so that what is done to one comes while it has something to do.
        devices: fc.array(fc.nat(2 * COUNT - 1), { minLength: 3, maxLength: 3 }),
        steps: fc.array(fc.tuple(fc.nat(2), steps), { maxLength: 250, size: 'max' }),
        reset: fc.boolean(),
        pauses: fc.nat(4),
      }),
      async (attack) => {
        const { outcome, resets, failed } = await live(attack)
        count('run')
        if (resets > 0) count('machine reset')
        if (failed > 0) count('a device failed')
        expect(outcome).toMatchObject({ kind: 'exit', value: LAST_VALUE })
      },
    ),
    fuzzRuns(AMOUNTS.fuzzed / 2),
  )
  console.log(`guests: ${[...seen].map(([what, times]) => `${what} ${times}`).join(', ')}`)
  expect(openFiles()).toBe(files)
})
