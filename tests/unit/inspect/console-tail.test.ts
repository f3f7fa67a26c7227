import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { ConsoleTail } from '../../../lib/inspect/console-tail.js'
import { fuzzRuns } from '../fuzz-runs.js'

function linesOf(...pieces: (string | Uint8Array)[]): string[] {
  const tail = new ConsoleTail()
  for (const piece of pieces) tail.write(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece)
  return tail.lines(3)
}

describe('the last lines', () => {
  test.each([
    ['nothing', '', []],
    ['blank lines only', '\r\n\r\n', []],
    ['a line without an end', 'a\nb', ['a', 'b']],
    ['carriage returns before newlines', 'a\r\nb\r\n', ['a', 'b']],
    ['only the last ones', '1\n2\n3\n4\n5\n', ['3', '4', '5']],
    ['blank ones in between', 'a\n\nb\n\n', ['a', '', 'b']],
    ['other alphabets', 'ä 界 😀', ['ä 界 😀']],
  ])('%s', (_name, text, lines) => {
    expect(linesOf(text)).toEqual(lines)
  })

  test('a character in two pieces', () => {
    const bytes = new TextEncoder().encode('grün')
    expect(linesOf(bytes.subarray(0, 3), bytes.subarray(3))).toEqual(['grün'])
  })

  test.each([
    ['colours and titles', '\x1b[31mred\x1b]0;title\x07', '\\x1b[31mred\\x1b]0;title\\x07'],
    ['NUL, backspace, delete', 'a\0\b\x7f', 'a\\x00\\x08\\x7f'],
    ['a carriage return that overwrites the line', 'bad\rgood', 'bad\\rgood'],
    ['tabs', 'a\tb', 'a\\tb'],
    ['C1 controls', 'a\u009b31m', 'a\\x9b31m'],
    ['text that turns around', 'a\u202eb\u2066c', 'a\\u{202e}b\\u{2066}c'],
    ['line separators', 'a\u2028b', 'a\\u{2028}b'],
    ['tags without a shape', 'a\u{e0041}', 'a\\u{e0041}'],
  ])('%s are shown, not obeyed', (_name, text, line) => {
    expect(linesOf(text)).toEqual([line])
  })

  test('bytes that are no text', () => {
    expect(linesOf(Uint8Array.of(0x61, 0xff, 0xfe, 0x62))).toEqual(['a\ufffd\ufffdb'])
  })
  test('a line without end is cut off', () => {
    expect(linesOf('x'.repeat(300))).toEqual([`${'x'.repeat(240)}…`])
  })
  test('output without end: the last of it, whole lines', () => {
    const tail = new ConsoleTail()
    const line = new TextEncoder().encode(`${'x'.repeat(99)}\n`)
    for (let count = 0; count < 10_000; count++) tail.write(line)
    expect(tail.lines(1000)).toEqual(Array.from({ length: 81 }, () => 'x'.repeat(99)))
  })
  test('a piece larger than what is kept', () => {
    const tail = new ConsoleTail()
    tail.write(new Uint8Array(100_000).fill(0x79))
    tail.write(new TextEncoder().encode('\nend'))
    expect(tail.lines(1)).toEqual(['end'])
  })
})

test('whatever is written, nothing reaches a terminal but text', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 6000 }), { maxLength: 4 }), (pieces) => {
      for (const line of linesOf(...pieces)) expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }),
    fuzzRuns(),
  )
})
