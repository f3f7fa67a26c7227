// Images with anything in their headers: a loader accepts them or refuses them with a KvmError, in bounded time, and
// what it accepts lies in RAM without overlaps.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import {
  type BootResult,
  detectFormat,
  kernelFormat,
  loadBzImage,
  loadElf,
  loadFirmware,
  loadFlat,
  loadKernel,
  loadMultiboot,
  loadMultiboot2,
  loadPvh,
  loadVmlinux,
  memoryLayout,
  unpackKernel,
} from '../../../lib/boot/index.js'
import { KvmError } from '../../../lib/errors.js'
import { boundedWork, fuzzRuns } from '../fuzz-runs.js'
import { bzImage, elf, multiboot1Header, multiboot2Header, vmlinux } from './images.js'
import * as packed from './packed.js'
import { MIB, SparseMemory } from './sparse-memory.js'

const SIZE = 64 * MIB

/** A pattern with a header in it. */
function file(header: Uint8Array): Uint8Array {
  const image = new Uint8Array(0x200)
  image.set(header, 0x18)
  return image
}
const LOAD = 0x10_0000
const initrd = Uint8Array.of(1)
const cmdline = 'quiet'

/** What is loaded, how, and how far its headers reach. */
const SUBJECTS: [string, Uint8Array, number, (memory: SparseMemory, kernel: Uint8Array) => BootResult][] = [
  ['bzImage', bzImage(), 0x270, (memory, kernel) => loadBzImage(memory, { kernel, initrd, cmdline })],
  ['vmlinux', vmlinux(), 0xb0, (memory, kernel) => loadVmlinux(memory, { kernel, initrd, cmdline })],
  ['PVH', vmlinux(), 0xb0, (memory, kernel) => loadPvh(memory, { kernel, initrd, cmdline })],
  ['ELF32', elf([{ content: file(initrd) }], { bits: 32 }), 0x54, (memory, image) => loadElf(memory, { image })],
  ['ELF64', elf([{ content: file(initrd) }]), 0x78, (memory, image) => loadElf(memory, { image })],
  [
    'Multiboot',
    file(multiboot1Header(0x1_0000, [LOAD, LOAD, 0, LOAD + 0x1000, LOAD])),
    0x38,
    (memory, kernel) => loadMultiboot(memory, { kernel, cmdline, modules: [{ bytes: initrd }] }),
  ],
  [
    'Multiboot 2',
    file(
      multiboot2Header([
        [2, 0, LOAD, LOAD, 0, 0],
        [3, 0, LOAD],
        [1, 1, 8],
      ]),
    ),
    0x60,
    (memory, kernel) => loadMultiboot2(memory, { kernel, cmdline, modules: [{ bytes: initrd }] }),
  ],
  ['firmware', new Uint8Array(4096), 0x10, (memory, image) => loadFirmware(memory, { image })],
]

/** Loaders that read no header themselves. */
const OTHERS: ((memory: SparseMemory, image: Uint8Array) => BootResult)[] = [
  (memory, kernel) => loadKernel(memory, { kernel, initrd, cmdline }),
  ...(['real', 'protected', 'long'] as const).map(
    (mode) => (memory: SparseMemory, image: Uint8Array) => loadFlat(memory, { image, address: 0x8000, mode }),
  ),
]

/** Values that break sums and comparisons more often than random ones do. */
const value = fc.oneof(
  fc.constantFrom(0n, 1n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 2n ** 53n - 1n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 0x400_0000n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
)

/** Overwrites a few fields of the header, and perhaps cuts the image off. */
const mutations = fc.record({
  fields: fc.array(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), width: fc.constantFrom(1, 2, 4, 8), value }),
    { maxLength: 4 },
  ),
  keep: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
})
type Mutations = typeof mutations extends fc.Arbitrary<infer T> ? T : never

function mutate(image: Uint8Array, reach: number, { fields, keep }: Mutations): Uint8Array {
  const copy = Uint8Array.from(image)
  for (const { at, width, value: number } of fields) {
    const start = Math.floor((at * reach) / width) * width
    for (let index = 0; index < width; index++) copy[start + index] = Number((number >> BigInt(8 * index)) & 0xffn)
  }
  return copy.subarray(0, Math.ceil(copy.length * keep))
}

/** What the call returns, or undefined when it refuses with a KvmError; anything else fails the test. */
function attempt<T>(call: () => T): T | undefined {
  try {
    return boundedWork(call)
  } catch (error) {
    if (error instanceof KvmError && error.code === 'ERR_KVM_BOOT_IMAGE') return undefined
    throw error
  }
}

describe.each(SUBJECTS)('%s', (name, image, reach, load) => {
  test('unchanged, it loads', () => {
    expect(attempt(() => load(new SparseMemory(memoryLayout(SIZE).ram), image))).toBeDefined()
  })

  test('with fields overwritten and its end cut off', () => {
    fc.assert(
      fc.property(mutations, (changes) => {
        const memory = new SparseMemory(memoryLayout(SIZE).ram)
        const result = attempt(() => load(memory, mutate(image, reach, changes)))
        if (result === undefined) {
          expect(memory.touched).toBe(0)
          return
        }
        let end = 0
        for (const { start, size } of result.placed) {
          expect(start).toBeGreaterThanOrEqual(end)
          end = start + size
          if (name !== 'firmware') expect(end).toBeLessThanOrEqual(SIZE)
        }
      }),
      fuzzRuns(),
    )
  })
})

test('bytes of any kind, to every loader', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 0x300 }), (bytes) => {
      detectFormat(bytes)
      attempt(() => kernelFormat(bytes))
      for (const [, , , load] of SUBJECTS) attempt(() => load(new SparseMemory(memoryLayout(SIZE).ram), bytes))
      for (const load of OTHERS) attempt(() => load(new SparseMemory(memoryLayout(SIZE).ram), bytes))
    }),
    fuzzRuns(),
  )
})

test('payloads with bytes overwritten never unpack to more than they say', async () => {
  const payloads = [packed.xzX86, packed.xzBlocks, packed.xzArm, packed.lz4, packed.zstd, packed.bzip2]
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255) })
  await fc.assert(
    fc.asyncProperty(
      fc.nat(payloads.length - 1),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (which, changes) => {
        const payload = Uint8Array.from([...(payloads[which] ?? []), 0, 0x20, 0, 0])
        for (const { at, byte } of changes) payload[at % (payload.length - 4)] = byte
        const result = await unpackKernel(bzImage({}, payload)).catch((error: unknown) => error)
        if (result instanceof Uint8Array) expect(result).toHaveLength(0x2000)
        else expect(result).toMatchObject({ code: 'ERR_KVM_BOOT_IMAGE' })
      },
    ),
    fuzzRuns(),
  )
}, 120_000)
