import { execFileSync } from 'node:child_process'
import fs, { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test, vi } from 'vitest'

import { readImage } from '../../../lib/boot/index.js'
import { KvmError } from '../../../lib/errors.js'

const folder = mkdtempSync(join(tmpdir(), 'node-kvm-image-'))
afterAll(() => rmSync(folder, { recursive: true }))
const path = (name: string) => join(folder, name)

async function refusal(...args: Parameters<typeof readImage>): Promise<KvmError> {
  const error = await readImage(...args).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof KvmError)) throw new Error('no KvmError', { cause: error })
  return error
}

test('a regular file, also one of exactly the largest size', async () => {
  writeFileSync(path('kernel'), 'hello')
  expect(Buffer.from(await readImage(path('kernel'))).toString()).toBe('hello')
  expect(await readImage(path('kernel'), { maxSize: 5 })).toHaveLength(5)
  expect((await refusal(path('kernel'), { maxSize: 4 })).message).toMatch(/5 bytes; 4 are allowed/)
})

test('what is no regular file is refused, and never waited for', async () => {
  execFileSync('mkfifo', [path('fifo')])
  const server = createServer().listen(path('socket'))
  await new Promise((resolve) => server.once('listening', resolve))
  const kinds = [
    [folder, /a directory/],
    [path('fifo'), /a FIFO/],
    [path('socket'), /a socket/],
    ['/dev/zero', /a device/],
    [path('missing'), /no such file/],
  ] as const
  for (const [what, message] of kinds) {
    const error = await refusal(what, { name: 'initrd' })
    expect([error.code, error.message]).toEqual(['ERR_KVM_BOOT_IMAGE', expect.stringMatching(message)])
    expect(error.message).toContain(`initrd ${what}`)
  }
  server.close()
})

test('an empty file is refused', async () => {
  writeFileSync(path('empty'), '')
  expect((await refusal(path('empty'))).message).toMatch(/empty/)
})

test('a file that shrinks or grows while it is read', async () => {
  const SIZE = 40 * 1024 * 1024 // several reads
  for (const size of [10, SIZE + 10]) {
    writeFileSync(path('changing'), '')
    truncateSync(path('changing'), SIZE)
    const spy = vi.spyOn(fs, 'read')
    const first = () => {
      spy.mockRestore()
      syncBuiltinESMExports()
      truncateSync(path('changing'), size)
      return Promise.resolve({ bytesRead: 5 })
    }
    Object.assign(fs.read, { [promisify.custom]: first })
    syncBuiltinESMExports()
    const error = await refusal(path('changing'))
    expect(error.message).toMatch(new RegExp(`changed from ${SIZE} to ${size}`))
  }
})

test('arguments that are none', async () => {
  for (const args of [[''], [1], [path('kernel'), { maxSize: 0 }], [path('kernel'), { size: 1 }]] as never[]) {
    expect((await refusal(...(args as Parameters<typeof readImage>))).code).toBe('ERR_KVM_INVALID_ARGUMENT')
  }
})

test('a file that this user may not read', async () => {
  // Root may neither.
  expect((await refusal('/proc/sys/vm/compact_memory')).message).toMatch(/may not read/)
})
