import { describe, expect, test } from 'vitest'

import { OutputBuffer, type OutputBufferOptions } from '../../../lib/devices/index.js'
import { expectRefusal } from '../../thrown.js'

function setUp(options: Partial<OutputBufferOptions> = {}) {
  const pieces: string[] = []
  const deferred: (() => void)[] = []
  const state = { room: true }
  const buffer = new OutputBuffer({
    write: (bytes) => {
      pieces.push(Buffer.from(bytes).toString('latin1'))
      return state.room
    },
    defer: (run) => deferred.push(run),
    ...options,
  })
  const put = (text: string) => {
    for (const byte of Buffer.from(text)) buffer.output(Uint8Array.of(byte))
  }
  const tick = () => {
    for (const run of deferred.splice(0)) run()
  }
  return { buffer, pieces, state, put, tick, deferred }
}

describe('collecting', () => {
  test('single bytes become one piece, a moment later', () => {
    const { pieces, put, tick, deferred } = setUp()
    put('hello')
    expect([pieces, deferred.length]).toEqual([[], 1])
    tick()
    put('world')
    tick()
    expect(pieces).toEqual(['hello', 'world'])
  })

  test('a piece is a copy: the device may use its byte again', () => {
    const { buffer, pieces, tick } = setUp()
    const byte = Uint8Array.of(0x61)
    buffer.output(byte)
    byte[0] = 0x62
    buffer.output(byte)
    tick()
    expect(pieces).toEqual(['ab'])
  })

  test('more than a piece arrives whole and in order', () => {
    const { buffer, pieces, tick } = setUp()
    const text = Array.from({ length: 20_000 }, (_, index) => `${index};`).join('')
    buffer.output(Buffer.from(text))
    expect(buffer.waiting).toBe(text.length)
    tick()
    expect([pieces.join(''), buffer.waiting]).toEqual([text, 0])
  })
})

describe('a reader that is slow', () => {
  test('gets no more until it has room', () => {
    const { buffer, pieces, state, put, tick } = setUp()
    state.room = false
    put('a')
    tick()
    put('bc')
    tick()
    expect(pieces).toEqual(['a'])
    state.room = true
    buffer.resume()
    expect(pieces).toEqual(['a', 'bc'])
  })

  test('or gone costs no more than the limit, and what is lost is counted', () => {
    const { buffer, pieces, state, put, tick } = setUp({ limit: 10 })
    state.room = false
    put('x')
    tick()
    put('0123456789')
    put('lost')
    buffer.output(Buffer.from('lost too'))
    tick()
    expect([buffer.waiting, buffer.dropped]).toEqual([10, 12])
    state.room = true
    buffer.resume()
    expect(pieces.join('')).toBe('x0123456789')
  })
})

test('options are checked', () => {
  expectRefusal(() => new OutputBuffer({} as never), 'ERR_KVM_INVALID_ARGUMENT', /write/)
  expectRefusal(() => setUp({ limit: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /limit/)
  expectRefusal(() => setUp({ defer: 1 as never }), 'ERR_KVM_INVALID_ARGUMENT', /defer/)
})
