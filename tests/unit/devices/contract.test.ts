// What every device keeps to (docs/devices.md), each of them driven by any guest.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { KvmError } from '../../../lib/errors.js'
import { expectRefusal } from '../../thrown.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { damages } from './damage.js'
import { type Subject, SUBJECTS, type SubjectKind } from './subjects.js'

/** The largest state that a device here may have, in bytes of JSON. */
const LARGEST_STATE = 8192

const table = Object.entries(SUBJECTS)
const stateful = table.filter(([, { make }]) => make().device.save !== undefined)

test('the devices', () => {
  console.log(`devices under contract: ${table.map(([name]) => name).join(', ')}`)
  for (const [name, { make }] of table) expect([name, make().device.constructor.name]).toEqual([name, name])
})

/** Any bytes; or small ones, which are addresses of DMA descriptors, commands and register numbers. */
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
  fc.nat(0xf0).map((address) => Uint8Array.of(0, 0, 0, address & 0xf0)),
)

interface Step {
  kind: string
  offset: number
  bytes: Uint8Array
  value: number
}

const steps = (length: number, ...kinds: string[]) =>
  fc.array(
    fc.record({
      kind: fc.constantFrom('read', 'write', 'write', 'host', ...kinds),
      // One past the end too: a device must not count on how it was mapped.
      offset: fc.nat(length),
      bytes,
      value: fc.nat(0xffff),
    }),
    { maxLength: 120, size: 'max' },
  )

async function take({ device, host }: Subject, { kind, offset, bytes: data, value }: Step): Promise<void> {
  if (kind === 'read') await device.read(offset, data)
  else if (kind === 'write') await device.write(offset, data)
  else host?.(value)
}

/** A device that any guest has used. */
async function used(kind: SubjectKind, past: readonly Step[]): Promise<Subject> {
  const subject = kind.make()
  for (const step of past) await take(subject, step)
  return subject
}

const forAll = (kind: SubjectKind, property: (past: Step[]) => Promise<void>, share = 1) =>
  fc.assert(fc.asyncProperty(steps(kind.length), property), fuzzRuns(share))

/** Another device with the state of this one, by way of JSON; or this one, when it has no state. */
function restored(subject: Subject, { make }: SubjectKind): Subject {
  const state = subject.device.save?.()
  if (state === undefined) return subject
  const json = JSON.stringify(state)
  expect(json.length).toBeLessThan(LARGEST_STATE)
  const parsed = JSON.parse(json) as object
  expect(parsed).toEqual(state)
  const other = make(subject.clock)
  other.device.restore?.(parsed)
  expect(other.device.save?.()).toEqual(state)
  return other
}

test.each(table)(
  '%s: nothing is thrown, nothing grows, and a saved state is the same when it is saved again',
  (_, kind) =>
    fc.assert(
      fc.asyncProperty(steps(kind.length, 'restore'), async (past) => {
        let subject = kind.make()
        for (const step of past) {
          if (step.kind === 'restore') subject = restored(subject, kind)
          else await take(subject, step)
        }
      }),
      fuzzRuns(),
    ),
)

describe.each(stateful)('%s: a state', (_, kind) => {
  test('of another version is refused, and the message says so', () => {
    const { device } = kind.make()
    const before = device.save?.() as object
    for (const version of [0, 2, '1', null, undefined]) {
      expectRefusal(() => device.restore?.({ ...before, version }), 'ERR_KVM_INVALID_STATE', /version/)
      expect(device.save?.()).toEqual(before)
    }
    for (const state of [null, undefined, 5, 'x', []]) {
      expectRefusal(() => device.restore?.(state as never), 'ERR_KVM_INVALID_STATE')
    }
  })

  test('with a member that is missing or of another type is refused, and the device is as it was', () =>
    forAll(
      kind,
      async (past) => {
        const { device } = await used(kind, past)
        const before = device.save?.() as object
        for (const { path, state } of damages(before)) {
          const error = expectRefusal(() => device.restore?.(state as object), 'ERR_KVM_INVALID_STATE')
          expect([path, error.message, device.save?.()]).toEqual([path, error.message, before])
        }
      },
      0.02,
    ))

  test('with anything in it is taken, or refused and changes nothing', () => {
    const { device, host } = kind.make()
    const members = Object.keys(device.save?.() as object)
    const anything = fc.oneof(
      fc.integer({ min: -2, max: 300 }),
      fc.constantFrom(-1, 0, 0xff, 0x100, 0xffff, 2 ** 32, 2 ** 53),
      fc.array(fc.integer({ min: -1, max: 256 }), { maxLength: 20 }),
      fc.anything(),
    )
    return fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...members), anything),
        fc.nat(kind.length),
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        async (changes, offset, data) => {
          const before = device.save?.()
          try {
            device.restore?.({ ...(before as object), ...changes })
          } catch (error) {
            if (!(error instanceof KvmError)) throw error
            expect([error.code, device.save?.()]).toEqual(['ERR_KVM_INVALID_STATE', before])
          }
          await device.write(offset, data)
          await device.read(offset, data)
          host?.(offset)
        },
      ),
      fuzzRuns(),
    )
  })
})

test.each(stateful)('%s: after a reset it is as it was when it was new', (_, kind) =>
  forAll(kind, async (past) => {
    const { device, clock } = await used(kind, past)
    await device.reset?.()
    const renewed = kind.renewed ?? ((state: object) => state)
    expect(renewed(device.save?.() as object)).toEqual(renewed(kind.make(clock).device.save?.() as object))
  }),
)

const turnOfTheEventLoop = () => new Promise((done) => setImmediate(done))
const DAYS = 3 * 86_400

test.each(table)('%s: paused, it is still until it is resumed, and closed for ever', (_, kind) =>
  forAll(
    kind,
    async (past) => {
      const { device, clock, effects } = await used(kind, past)
      const still = async () => {
        effects.length = 0
        clock.pass(DAYS)
        await turnOfTheEventLoop()
        const state = device.save?.()
        expect([effects, device.save?.()]).toEqual([[], state])
      }
      await device.pause?.()
      await still()
      device.resume?.()
      clock.pass(1)
      await device.close?.()
      await still()
      expect(clock.timers).toBe(0)
    },
    0.2,
  ),
)
