// What a guest, an image or a file says reaches terminals and logs as text, which nothing there obeys.
import fc from 'fast-check'
import { formatPostMortem, parseSymbols, type PostMortem, printable } from 'node-kvm/inspect'
import { describeOutcome, GuestConsole } from 'node-kvm/machine'
import { readImage } from 'node-kvm/boot'
import { expect, test } from 'vitest'

import { thrownBy } from '../thrown.js'
import { fuzzRuns } from './fuzz-runs.js'

/** Clears the screen, sets the title, colours by a C1 control, turns the line around, ends it, and speaks to a CI job. */
const HOSTILE = '\x1b[2J\x1b]0;title\x07\x9b31m\u202e\u2028\x7f\r\n::error::a command'
/** Nothing but text and ends of lines; no line begins as the guest wants it. */
const OBEYED = /(?!\n)[\p{C}\p{Zl}\p{Zp}]|^::/mu

const caught = (promise: Promise<unknown>) => promise.catch((error: unknown) => error as Error & { operands: object })

test.each([
  ['\x1b[31m', '\\x1b[31m'],
  ['\t\r\n', '\\t\\r\\n'],
  ['a\x7f\x80\x9f\xa0', 'a\\x7f\\x80\\x9f\xa0'],
  ['\u2028\u2029\u202e\u{e0041}', '\\u{2028}\\u{2029}\\u{202e}\\u{e0041}'],
  ['\ud800', '\\u{d800}'],
  ['ä 界 😀 \\x1b', 'ä 界 😀 \\x1b'],
])('%j is shown as %s', (text, shown) => {
  expect(printable(text)).toBe(shown)
})

test('whatever the text, what is shown is one line, and showing it again changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      expect(printable(text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
      expect(printable(printable(text))).toBe(printable(text))
    }),
    fuzzRuns(),
  )
})

test('a failed expect() shows the output in lines that begin with a bar; its operands have it as it was', async () => {
  const console = new GuestConsole()
  console.receive(Buffer.from(`first${HOSTILE}`))
  for (const wanted of ['login:', HOSTILE, /::e(?!r)/]) {
    const error = await caught(console.expect(wanted, { timeout: 1 }))
    expect(error).toMatchObject({
      code: 'ERR_KVM_EXPECT_TIMEOUT',
      message: expect.not.stringMatching(OBEYED) as string,
    })
    expect(error).toMatchObject({
      message: expect.stringContaining('\n  | ::error::a command') as string,
      operands: { wanted: String(wanted), output: `first${HOSTILE.replace('\r\n', '\n')}` },
    })
  }
  console.end()
  expect(await caught(console.expect('login:'))).toMatchObject({
    code: 'ERR_KVM_GUEST_ENDED',
    message: expect.not.stringMatching(OBEYED) as string,
  })
})

test('an outcome whose cause a device has taken from the guest', () => {
  const text = describeOutcome({ kind: 'reset', cause: HOSTILE, at: { vcpu: 0, rip: 0n } })
  expect(text).toMatch(/^the guest reset the machine by \\x1b/)
  expect(text).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
})

test('a post-mortem: its summary, exits, console and symbols', () => {
  const report: PostMortem = {
    summary: HOSTILE,
    vcpu: 0,
    vcpus: [{ id: 0, problem: HOSTILE }],
    exits: [{ vcpu: 0, exit: HOSTILE, times: 1 }],
    console: [HOSTILE, '::error::'],
  }
  expect(formatPostMortem(report)).not.toMatch(OBEYED)
})

test('a System.map: names, and the message about a line', () => {
  const bytes = (text: string) => Buffer.from(text, 'latin1')
  expect(parseSymbols(bytes('10 T \x9b31m\xad')).lookup(0x10n)?.name).toBe('\\x9b31m\\xad')
  for (const line of ['\x9b31m', '10 \x9b T', '10 T \x9b31m x']) {
    expect(thrownBy(() => parseSymbols(bytes(line))).message).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
  }
})

test('a path in the message of an image', async () => {
  const error = await caught(readImage(`/nowhere/${HOSTILE}`))
  expect(error).toMatchObject({
    code: 'ERR_KVM_BOOT_IMAGE',
    message: expect.not.stringMatching(/[\p{C}\p{Zl}]/u) as string,
  })
})
