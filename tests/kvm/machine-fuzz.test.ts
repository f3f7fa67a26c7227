// Guests that access any port and any address of a whole machine, in any width: each ends as a value, with a post-mortem.
import fc from 'fast-check'
import { flat, Machine, serial } from 'node-kvm/machine'
import { formatPostMortem } from 'node-kvm/inspect'
import { expect, test } from 'vitest'

import { inLab } from './machine.js'

const ADDRESS = 0x10_0000
const EXIT_PORT = 0xf4
/** Each makes a machine: in the lab that takes a while. */
const MACHINES = inLab ? 20 : 200

const dword = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]
/** In front of an opcode for this width; and what it adds to the one for bytes. */
const prefix = (width: number) => (width === 2 ? [0x66] : [])
const wide = (width: number) => (width === 1 ? 0 : 1)

// Where a PC has devices, and anywhere.
const port = fc.oneof(
  fc.constantFrom(0x20, 0x21, 0x40, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x92, 0xa0, 0xe9, EXIT_PORT),
  fc.constantFrom(0x402, 0x505, 0x510, 0x511, 0x514, 0x518, 0xcf8, 0xcfc, 0x4d0),
  fc.integer({ min: 0x3f8, max: 0x3ff }),
  fc.integer({ min: 0x600, max: 0x620 }),
  fc.nat(0xffff),
)
// Below 640 KiB there is RAM, with the code that runs; then the hole, ROM, RAM, and the controllers below 4 GiB.
const address = fc.oneof(
  fc.integer({ min: 0xa_0000, max: 0xf_ffff }),
  fc.integer({ min: 0xfec0_0000, max: 0xfec0_0fff }),
  fc.integer({ min: 0xfee0_0000, max: 0xfee0_0fff }),
  fc.integer({ min: 0x1000_0000, max: 0xffff_ffff }),
)
const width = fc.constantFrom(1, 2, 4)
const value = fc.oneof(fc.constantFrom(0, 1, 0xff, 0xffff_ffff), fc.nat(0xffff_ffff))

/** One access as machine code of 32-bit protected mode. */
const access = fc.oneof(
  fc.tuple(port, width, value).map(([to, size, what]) => [
    ...[0xba, ...dword(to), 0xb8, ...dword(what)], // mov edx, port; mov eax, value
    ...[...prefix(size), 0xee + wide(size)], // out dx, al or ax or eax
  ]),
  fc.tuple(port, width).map(([from, size]) => [0xba, ...dword(from), ...prefix(size), 0xec + wide(size)]),
  fc.tuple(address, width, value).map(([to, size, what]) => [
    ...[0xb8, ...dword(what)],
    ...[...prefix(size), 0xa2 + wide(size), ...dword(to)], // mov [address], al or ax or eax
  ]),
  fc.tuple(address, width).map(([from, size]) => [...prefix(size), 0xa0 + wide(size), ...dword(from)]),
  // mov edx, port; mov ecx, count; mov esi, and edi, address; rep outs, or rep ins
  fc
    .tuple(port, width, fc.nat(40), fc.boolean())
    .map(([at, size, count, out]) => [
      ...[0xba, ...dword(at), 0xb9, ...dword(count), 0xbe, ...dword(ADDRESS), 0xbf, ...dword(0x2000)],
      ...[0xf3, ...prefix(size), (out ? 0x6e : 0x6c) + wide(size)],
    ]),
)

test('any access to anything', { timeout: 0 }, async () => {
  const ends: Record<string, number> = {}
  await fc.assert(
    fc.asyncProperty(fc.array(access, { maxLength: 60 }), async (accesses) => {
      let written = 0
      const image = Uint8Array.from([...accesses.flat(), 0xb0, 0, 0xe6, EXIT_PORT, 0xf4]) // the exit port; hlt
      using machine = await Machine.create({
        memory: '16M',
        boot: flat({ image, address: ADDRESS, mode: 'protected' }),
        devices: [serial({ output: (bytes) => (written += bytes.length) })],
        onReset: 'end',
      })
      const outcome = await machine.run({ timeout: 60_000 })
      ends[outcome.kind] = (ends[outcome.kind] ?? 0) + 1
      expect(outcome.kind).not.toBe('timeout')
      expect(written).toBeLessThanOrEqual(60 * 41 * 4)
      expect(formatPostMortem(await machine.postMortem())).toContain('vCPU 0')
    }),
    { numRuns: MACHINES, seed: 6 },
  )
  // Most get to the end; some are quicker with a reset.
  expect(ends['exit']).toBeGreaterThan(0)
})
