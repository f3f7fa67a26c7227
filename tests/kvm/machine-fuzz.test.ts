// Hostile guests on a whole machine and the real KVM: any access of any width to any port and address, single and repeated,
// while keys arrive. The process lives on, every run ends with an outcome that has a name, and nothing is left behind.
//   NODE_KVM_FUZZ_RUNS=20000 npx vitest run --project kvm machine-fuzz --testTimeout 0     tries 10,000 of them
import { readdirSync } from 'node:fs'

import fc from 'fast-check'
import { flat, GuestConsole, Machine, type Outcome, serial } from 'node-kvm/machine'
import { expect, test } from 'vitest'

import { fuzzRuns } from '../unit/fuzz-runs.js'
import { AMOUNTS, PATIENCE } from './amounts.js'
import { type Access, codeOf } from './accesses.js'
import { assemble } from './guests.js'

const CODE = 0x8000
const MEMORY = 0x100_0000
const LAST_VALUE = 0x2a
const MOST_ACCESSES = 400
const MOST_REPEATED = 300
/** RAX and RBX as the guest loads them. */
const MAX_UINT64 = 2n ** 64n - 1n

/** Where the machine's devices are, and those that KVM has itself; see lib/machine/x86/platform.ts. */
const DEVICES: [port: number, length: number][] = [
  ...[0x3f8, 0x2f8, 0x3e8, 0x2e8].map((port): [number, number] => [port, 8]),
  ...[0x20, 0xa0, 0x4d0].map((port): [number, number] => [port, 2]), // 8259 and ELCR
  [0x40, 4], // 8254
  ...[0x60, 0x61, 0x64, 0x80].map((port): [number, number] => [port, 1]),
  [0x70, 2],
  [0xcf8, 8],
  [0x600, 20],
]
/** Writes to them end a guest's life, whatever is written or nearly so. */
const DEADLY: typeof DEVICES = [
  [0xf4, 4],
  [0x92, 1],
  [0xcf9, 1],
  [0x505, 1],
  [0x60c, 1],
]
const portsOf = (ranges: typeof DEVICES) =>
  ranges.flatMap(([port, length]) => Array.from({ length }, (_, index) => port + index))
const LIVE_PORTS = portsOf(DEVICES).filter((port) => !portsOf(DEADLY).includes(port))
const PORTS = { live: LIVE_PORTS, deadly: [...LIVE_PORTS, ...portsOf(DEADLY)] }
/** Interrupt controllers, KVM's own pages, firmware, and the edges of memory. */
const ADDRESSES = [MEMORY - 4, MEMORY, 0xc000_0000, 0xfec0_0000, 0xfee0_0000, 0xfeff_c000, 0xffff_fff0, 0xffff_ffff]

const value = fc.oneof(fc.nat(255).map(BigInt), fc.bigInt({ min: 0n, max: MAX_UINT64 }))
const access = (ports: readonly number[]) => {
  const port = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...ports) }, fc.nat(0xffff))
  const width = fc.constantFrom<1 | 2 | 4>(1, 2, 4)
  const address = fc.oneof(
    fc.tuple(fc.constantFrom(...ADDRESSES), fc.nat(0x400)).map(([base, offset]) => base + offset),
    fc.integer({ min: MEMORY - 8, max: 0xffff_ffff }),
  )
  return fc.oneof(
    fc.record({ kind: fc.constant('port' as const), port, width, write: fc.boolean(), value }),
    fc.record({ kind: fc.constant('string' as const), port, width, write: fc.boolean(), count: fc.nat(MOST_REPEATED) }),
    fc.record({
      kind: fc.constant('memory' as const),
      address: address.map((at) => Math.min(at, 0xffff_ffff)),
      width: fc.constantFrom<1 | 2 | 4 | 8>(1, 2, 4, 8),
      write: fc.boolean(),
      value,
    }),
  )
}
// mov al, LAST_VALUE; out 0xf4, al
const LAST = [0xb0, LAST_VALUE, 0xe6, 0xf4]
const ENDS: readonly Outcome['kind'][] = ['exit', 'power-off', 'reset', 'panic', 'triple-fault', 'kvm-error']

async function live(accesses: readonly Access[], keys: string): Promise<{ outcome: Outcome; written: number }> {
  const console = new GuestConsole()
  let written = 0
  const output = (bytes: Uint8Array) => {
    written += bytes.length
  }
  using machine = await Machine.create({
    cpus: 2,
    memory: MEMORY,
    boot: flat({ image: assemble(...accesses.map(codeOf), LAST), address: CODE, mode: 'long' }),
    devices: [serial({ console, output }), ...[2, 3, 4].map((line) => serial({ line, output }))],
    onReset: 'end',
  })
  const ended = machine.run({ timeout: PATIENCE / 2 })
  console.send(keys)
  const outcome = await ended
  await machine.postMortem()
  return { outcome, written }
}

const openFiles = () => readdirSync('/proc/self/fd').length

test.each(Object.entries(PORTS))('guests that use every %s port and any address', async (_, ports) => {
  await live([], '')
  const files = openFiles()
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(
      fc.array(access(ports), { maxLength: MOST_ACCESSES }),
      fc.string({ unit: 'binary', maxLength: 100 }),
      async (accesses, keys) => {
        const { outcome, written } = await live(accesses, keys)
        seen.add(outcome.kind)
        expect(ENDS).toContain(outcome.kind)
        expect(written).toBeLessThanOrEqual(accesses.length * MOST_REPEATED * 4)
      },
    ),
    fuzzRuns(AMOUNTS.fuzzed),
  )
  expect(seen).toContain('exit')
  expect(openFiles()).toBe(files)
  expect((await live([], '')).outcome).toMatchObject({ kind: 'exit', value: LAST_VALUE })
})
