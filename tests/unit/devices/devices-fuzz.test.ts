// A guest that does anything to any register, while its device is saved and restored in between.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Device, Stateful } from '../../../lib/bus/index.js'
import { KvmError } from '../../../lib/errors.js'
import {
  AcpiPm,
  DebugConsole,
  DebugExit,
  FwCfg,
  I8042,
  PostCode,
  PvPanic,
  Rtc,
  Serial,
  SystemControlA,
  SystemControlB,
} from '../../../lib/devices/index.js'
import { plainMemory } from '../../../lib/memory/plain-memory.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { fastPaths, TestClock } from './access.js'

/** A device under test, what its host does to it, and the largest state that it may have, in bytes of JSON. */
interface Subject {
  device: Device & Partial<Stateful<object>>
  host?: (value: number) => void
}

const clock = () => new TestClock(BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n)
const nothing = () => undefined
const LARGEST_STATE = 8192

const subjects: Record<string, { length: number; make: () => Subject }> = {
  serial: {
    length: 8,
    make: () => {
      const device = new Serial({ receiveBuffer: 64 })
      device.attachFastPaths(fastPaths().paths)
      const host = (value: number) => {
        if (value % 3 === 0) device.receive(new Uint8Array(value % 256))
        else if (value % 3 === 1) device.receiveBreak()
        else device.setModemLines({ clearToSend: (value & 4) !== 0, ringIndicator: (value & 8) !== 0 })
      }
      return { device, host }
    },
  },
  i8042: {
    length: 5,
    make: () => {
      const device = new I8042()
      return { device, host: (value) => device.sendScancodes(Uint8Array.of(value & 0xff, value >> 8)) }
    },
  },
  rtc: {
    length: 2,
    make: () => {
      const time = clock()
      return { device: new Rtc({ clock: time, schedule: time.schedule }), host: (value) => time.pass(value / 1000) }
    },
  },
  'ACPI power management': {
    length: 20,
    make: () => {
      const time = clock()
      const device = new AcpiPm({ clock: time, schedule: time.schedule })
      const host = (value: number) => {
        if (value % 2 === 0) device.pressPowerButton()
        else time.pass(value)
      }
      return { device, host }
    },
  },
  fw_cfg: {
    length: 12,
    make: () => {
      const memory = plainMemory({ at: 0, size: 0x1000 })
      const device = new FwCfg({ memory })
      device.addFile('etc/rw', new Uint8Array(16), { writable: true })
      // The guest writes a DMA descriptor for any item, of any length, to any address (QEMU docs/specs/fw_cfg.rst).
      const host = (value: number) => {
        const descriptor = new DataView(new ArrayBuffer(16))
        descriptor.setUint32(0, ((value % 0x30) << 16) | (value & 0x1f))
        descriptor.setUint32(4, value % 5 === 0 ? 0xffff_ffff : value % 40)
        descriptor.setUint32(12, value % 7 === 0 ? 0xffff_fff0 : value & 0xfff)
        if (value % 11 === 0) descriptor.setUint32(8, value)
        memory.write(value & 0xf0, new Uint8Array(descriptor.buffer))
      }
      return { device, host }
    },
  },
  'debug console': { length: 1, make: () => ({ device: new DebugConsole() }) },
  'exit port': { length: 4, make: () => ({ device: new DebugExit({ exit: nothing }) }) },
  pvpanic: { length: 1, make: () => ({ device: new PvPanic({ event: nothing }) }) },
  'POST code port': { length: 1, make: () => ({ device: new PostCode() }) },
  'port 0x92': { length: 1, make: () => ({ device: new SystemControlA() }) },
  'port 0x61': { length: 1, make: () => ({ device: new SystemControlB() }) },
}

/** Any bytes; or small ones, which are addresses of DMA descriptors, commands and register numbers. */
const bytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 8 }),
  fc.nat(0xf0).map((address) => Uint8Array.of(0, 0, 0, address & 0xf0)),
)

const step = (length: number) =>
  fc.record({
    kind: fc.constantFrom('read', 'write', 'write', 'host', 'restore'),
    // One past the end too: a device must not count on how it was mapped.
    offset: fc.nat(length),
    bytes,
    value: fc.nat(0xffff),
  })

test.each(Object.entries(subjects))(
  '%s: nothing is thrown, nothing grows, and states restore',
  (_, { length, make }) => {
    fc.assert(
      fc.property(fc.array(step(length), { maxLength: 120, size: 'max' }), (steps) => {
        let subject = make()
        for (const { kind, offset, bytes, value } of steps) {
          if (kind === 'read') void subject.device.read(offset, bytes)
          else if (kind === 'write') void subject.device.write(offset, bytes)
          else if (kind === 'host') subject.host?.(value)
          else subject = restored(subject, make())
        }
      }),
      fuzzRuns(),
    )
  },
)

/** Another device with the state of this one, by way of JSON; or this one, when it has no state. */
function restored(subject: Subject, other: Subject): Subject {
  const state = subject.device.save?.()
  if (state === undefined) return subject
  const json = JSON.stringify(state)
  expect(json.length).toBeLessThan(LARGEST_STATE)
  const parsed = JSON.parse(json) as object
  expect(parsed).toEqual(state)
  other.device.restore?.(parsed as object)
  // Time is not a part of it: in the other device it stands elsewhere.
  if (!(subject.device instanceof Rtc)) expect(other.device.save?.()).toEqual(state)
  return other
}

test.each(Object.entries(subjects).filter(([, { make }]) => make().device.restore !== undefined))(
  '%s: a state with anything in it is taken, or refused and changes nothing',
  (_, { length, make }) => {
    const { device, host } = make()
    const members = Object.keys(device.save?.() as object)
    const anything = fc.oneof(
      fc.integer({ min: -2, max: 300 }),
      fc.constantFrom(-1, 0, 0xff, 0x100, 0xffff, 2 ** 32, 2 ** 53),
      fc.array(fc.integer({ min: -1, max: 256 }), { maxLength: 20 }),
      fc.anything(),
    )
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...members), anything),
        fc.nat(length),
        fc.uint8Array({ minLength: 1, maxLength: 8 }),
        (changes, offset, bytes) => {
          const before = device.save?.()
          try {
            device.restore?.({ ...(before as object), ...changes })
          } catch (error) {
            if (!(error instanceof KvmError)) throw error
            expect([error.code, device.save?.()]).toEqual(['ERR_KVM_INVALID_STATE', before])
          }
          void device.write(offset, bytes)
          void device.read(offset, bytes)
          host?.(offset)
        },
      ),
      fuzzRuns(),
    )
  },
)
