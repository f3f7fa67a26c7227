import { readFileSync } from 'node:fs'

import { KvmError } from 'node-kvm'
import { expect, test } from 'vitest'

const source = readFileSync(new URL('../../lib/errors.ts', import.meta.url), 'utf8')
const documented = Array.from(source.matchAll(/^ \* \| `(ERR_KVM_\w+)` \| (.+) \|$/gm), (match) => match[1])
const declared = Array.from(source.matchAll(/^ {2}\| '(ERR_KVM_\w+)'$/gm), (match) => match[1])

test('every code has a line in the table, and every line a code', () => {
  expect(declared.length).toBeGreaterThan(15)
  expect(documented).toEqual(declared)
})

test('an error carries what it is given', () => {
  const cause = new Error('below')
  const error = new KvmError('ERR_KVM_IOCTL', 'text', { operands: { a: 1 }, errno: 22, ioctl: 'KVM_RUN', cause })
  expect(error).toBeInstanceOf(Error)
  expect(error).toMatchObject({
    name: 'KvmError',
    code: 'ERR_KVM_IOCTL',
    message: 'text',
    operands: { a: 1 },
    errno: 22,
    ioctl: 'KVM_RUN',
    cause,
  })
})

test('what it is not given is absent, not undefined', () => {
  const error = new KvmError('ERR_KVM_CLOSED', 'text')
  expect(error.operands).toEqual({})
  for (const key of ['errno', 'ioctl', 'cause']) expect(key in error).toBe(false)
})
