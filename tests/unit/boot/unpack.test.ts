import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

import { unpackKernel, type UnpackOptions } from '../../../lib/boot/index.js'
import { KvmError } from '../../../lib/errors.js'
import { bzImage, uint32, vmlinux } from './images.js'
import { machineCode } from './machine-code.js'
import * as packed from './packed.js'

const code = machineCode()

/** A kernel whose payload is this, with the size behind it that kernel builds append. */
const kernel = (payload: Uint8Array, size = code.length) => bzImage({}, Uint8Array.from([...payload, ...uint32(size)]))

async function refusal(image: Uint8Array, options?: UnpackOptions): Promise<KvmError> {
  const error = await unpackKernel(image, options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvmError)) throw new Error('no KvmError', { cause: error })
  return error
}

test('the fixtures are what their commands made of this', () => {
  expect(createHash('sha256').update(code).digest('hex')).toBe(
    '4bb568e9b38b93c56bead6d0a7fbf972fcc04ec7ec83027f766866e266dd0d34',
  )
})

describe.each([
  ['xz with the x86 filter', packed.xzX86],
  ['xz in several blocks', packed.xzBlocks],
  ['lz4', packed.lz4],
  ['zstd', packed.zstd],
])('%s', (_, payload) => {
  test('comes out as it went in', async () => {
    expect(Buffer.compare(await unpackKernel(kernel(payload)), code)).toBe(0)
  })

  test('a size that is not what comes out is refused, before more comes out', async () => {
    for (const size of [code.length - 1, code.length + 1, 0, 1, 4096, 2 ** 30]) {
      expect((await refusal(kernel(payload, size))).code).toBe('ERR_KVM_BOOT_IMAGE')
    }
  })

  test('cut off anywhere, or with a bit flipped, it is refused or unpacks to the announced size', async () => {
    for (let length = 0; length < payload.length; length += 13) {
      expect((await refusal(kernel(payload.subarray(0, length)))).code).toBe('ERR_KVM_BOOT_IMAGE')
      const flipped = Uint8Array.from(payload)
      flipped[length] = (flipped[length] ?? 0) ^ 0x10
      const result = await unpackKernel(kernel(flipped)).catch((error: unknown) => error)
      if (result instanceof Uint8Array) expect(result).toHaveLength(code.length)
      else expect((result as KvmError).code).toBe('ERR_KVM_BOOT_IMAGE')
    }
  }, 60_000)
})

test('gzip, which ends with the size by itself', async () => {
  const image = bzImage({}, gzipSync(code))
  expect(Buffer.compare(await unpackKernel(image), code)).toBe(0)
  const lying = Uint8Array.from(gzipSync(code))
  lying.set(uint32(100), lying.length - 4)
  expect((await refusal(bzImage({}, lying))).message).toMatch(/gzip/)
})

test('an ELF image is returned as it is, alone and as the payload', async () => {
  const elf = vmlinux()
  expect(await unpackKernel(elf)).toBe(elf)
  expect((await unpackKernel(bzImage({}, elf))).subarray(0, 4)).toEqual(elf.subarray(0, 4))
})

test('an unpacked size past the limit is refused before anything is unpacked', async () => {
  const error = await refusal(kernel(packed.lz4, 2 ** 32 - 1))
  expect(error.operands).toMatchObject({ size: 2 ** 32 - 1, maxSize: 2 ** 30 })
  expect((await refusal(kernel(packed.lz4), { maxSize: code.length - 1 })).code).toBe('ERR_KVM_BOOT_IMAGE')
  expect(await unpackKernel(kernel(packed.lz4), { maxSize: code.length })).toHaveLength(code.length)
})

test('what is not supported says so, by name', async () => {
  expect((await refusal(kernel(packed.bzip2))).message).toMatch(/bzip2 is not supported/)
  expect((await refusal(kernel(packed.xzArm))).message).toMatch(/filter 0x7/)
  expect((await refusal(kernel(Uint8Array.of(1, 2, 3, 4, 5)))).message).toMatch(/no compression/)
  expect((await refusal(bzImage({ version: 0x0207 }))).operands).toMatchObject({ field: 'version', offset: 0x206 })
  for (const lie of [
    { payload_length: 4 },
    { payload_length: 0xc01 },
    { payload_length: 0xffff_ffff },
    { payload_offset: 0xffff_ffff },
  ]) {
    expect((await refusal(bzImage(lie))).operands).toMatchObject({ field: 'payload_length', offset: 0x24c })
  }
})

test('several at once', async () => {
  const images = [packed.xzX86, packed.xzBlocks, packed.zstd, packed.xzX86]
  const results = await Promise.all(images.map((payload) => unpackKernel(kernel(payload))))
  for (const result of results) expect(Buffer.compare(result, code)).toBe(0)
})
