// Symbol files with anything in them: they are read, or refused with a KvmError, and what was read can be asked anything.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseSymbols } from '../../../lib/inspect/index.js'
import { KvmError } from '../../../lib/errors.js'
import { setField, type Width } from '../boot/images.js'
import { boundedWork, fuzzRuns } from '../fuzz-runs.js'
import { elfWithSymbols, symbolAt } from './elf-image.js'
import { latin1 } from './guest.js'

const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

function ask(bytes: Uint8Array, address: bigint): void {
  let symbols
  try {
    symbols = boundedWork(() => parseSymbols(bytes, { slide: BigInt.asIntN(64, address * 3n) }))
  } catch (error) {
    expect(error).toBeInstanceOf(KvmError)
    expect(error).toMatchObject({ code: 'ERR_KVM_BOOT_IMAGE' })
    return
  }
  const place = symbols.lookup(address)
  if (place === undefined) return
  expect(place.name.length).toBeLessThanOrEqual(512)
  expect(place.offset).toSatisfy((offset: number) => Number.isInteger(offset) && offset >= 0 && offset <= 2 ** 24)
  const found = symbols.addressOf(place.name)
  expect(found === undefined || found <= 2n ** 64n - 1n).toBe(true)
}

test('bytes of any kind', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), word, ask), fuzzRuns())
})

test('lines like those of a System.map', () => {
  const digit = fc.constantFrom(...Array.from('0123456789abcdefABCDEF'))
  const text = fc.string({
    unit: fc.oneof(digit, fc.constantFrom(' ', 'T', 't', '\t', '\r', '\0', 'ÿ', '[')),
    maxLength: 40,
  })
  const line = fc.oneof(
    text,
    fc.tuple(word, fc.constantFrom('T', 't', 'D', '?')).map(([n, t]) => `${n.toString(16)} ${t} x`),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), word, (lines, address) => ask(latin1(lines.join('\n')), address)),
    fuzzRuns(),
  )
})

test.each([32, 64] as const)('ELF of %i bits with fields overwritten and its end cut off', (bits) => {
  const image = elfWithSymbols(
    Array.from({ length: 4 }, (_, index) => ({ name: `symbol${index}`, value: index * 16, bind: index % 2 })),
    bits,
  )
  const value = fc.oneof(
    fc.constantFrom(0n, 1n, 0x7fff_ffffn, 0xffff_ffffn, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
    fc.bigInt({ min: 0n, max: BigInt(image.length) }),
    word,
  )
  const field = fc.record({ at: fc.nat(symbolAt(bits, 5)), width: fc.constantFrom<Width>(1, 2, 4, 8), value })
  fc.assert(
    fc.property(
      fc.array(field, { maxLength: 4 }),
      fc.nat(image.length),
      fc.boolean(),
      word,
      (fields, length, cut, at) => {
        const copy = Uint8Array.from(image)
        for (const { at: where, width, value: number } of fields) {
          setField(copy, [Math.floor(where / width) * width, width, number])
        }
        ask(cut ? copy.subarray(0, length) : copy, at)
      },
    ),
    fuzzRuns(),
  )
})
