// Anything as the options of a machine, its boot sources and devices: taken, or refused with a KvmError.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { KvmError } from '../../../lib/errors.js'
import { firmware, flat, GuestConsole, kernel, linux, Machine, serial } from '../../../lib/machine/index.js'
import { fuzzRuns } from '../fuzz-runs.js'

const anything = fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true, withDate: true })
const image = fc.oneof(fc.uint8Array({ maxLength: 64 }), anything)
const options = (members: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof({ weight: 8, arbitrary: fc.record(members, { requiredKeys: [] }) }, anything)

/** What the call returns; a refusal with a KvmError is one more result. */
async function attempt<T>(call: () => T | Promise<T>): Promise<T | KvmError> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof KvmError) return error
    throw error
  }
}

test('options of a machine', async () => {
  // No machine is made: the images are read last.
  const stop = new KvmError('ERR_KVM_BOOT_IMAGE', 'the options are taken')
  const boot = { prepare: () => Promise.reject(stop) }
  const members = {
    cpus: fc.oneof(fc.integer({ min: -1, max: 20 }), anything),
    memory: fc.oneof(fc.nat(2 ** 31), fc.stringMatching(/^\d{1,5}[KMGTkmgt]?i?B?$/), anything),
    boot: fc.oneof(fc.constant(boot), anything),
    devices: fc.oneof(fc.array(anything, { maxLength: 3 }), anything),
    onReset: fc.oneof(fc.constantFrom('boot', 'end'), anything),
  }
  await fc.assert(
    fc.asyncProperty(options(members), async (given) => {
      const result = await attempt(() => Machine.create(given as never))
      if (result !== stop) expect(result).toMatchObject({ code: 'ERR_KVM_INVALID_ARGUMENT' })
    }),
    fuzzRuns(),
  )
})

const cmdline = fc.oneof(fc.string(), anything)
const SOURCES = {
  linux: [linux, { kernel: image, initrd: image, cmdline, format: anything, unpack: fc.oneof(fc.boolean(), anything) }],
  kernel: [kernel, { kernel: image, cmdline, modules: fc.array(options({ image, cmdline })), format: anything }],
  flat: [flat, { image, address: fc.oneof(fc.nat(), anything), mode: fc.oneof(fc.constant('real'), anything) }],
  firmware: [firmware, { image }],
} as const

test.each(Object.entries(SOURCES))('what is booted: %s()', async (_, [source, members]) => {
  await fc.assert(
    fc.asyncProperty(options(members), async (given) => {
      await attempt(() => source(given as never).prepare())
    }),
    fuzzRuns(0.2),
  )
})

test('a serial line, and a console for it', async () => {
  await fc.assert(
    fc.asyncProperty(
      options({ output: anything, input: anything, console: anything, line: fc.oneof(fc.integer(), anything) }),
      options({ keep: fc.oneof(fc.integer(), anything) }),
      async (line, console) => {
        await attempt(() => serial(line as never))
        await attempt(() => new GuestConsole(console as never))
      },
    ),
    fuzzRuns(),
  )
})
