// A script's end of a serial line, without a machine.
import { GuestConsole } from 'node-kvm/machine'
import { describe, expect, test, vi } from 'vitest'

import { expectRefusal, expectRejection } from '../../thrown.js'

const bytes = (text: string) => Buffer.from(text)
const turn = () => new Promise((resolve) => setImmediate(resolve))
describe('expect()', () => {
  test('finds what is there already, and what comes in pieces', async () => {
    const console = new GuestConsole()
    console.receive(bytes('login: '))
    expect(await console.expect('login: ')).toEqual({ before: '', match: 'login: ', groups: [], named: {} })
    const found = console.expect(/version (\d+)\.(\d+)(x)?\n/)
    for (const character of 'Linux version 6.1\r\n') {
      console.receive(bytes(character))
      await turn()
    }
    expect(await found).toEqual({
      before: 'Linux ',
      match: 'version 6.1\n',
      groups: ['6', '1', undefined],
      named: {},
    })
  })

  test('goes on behind the last match, and keeps the order of calls', async () => {
    const console = new GuestConsole()
    const all = Promise.all([console.expect('a'), console.expect('a'), console.expect(/^b/m)])
    console.receive(bytes('1a2'))
    await turn()
    console.receive(bytes('a\nb'))
    expect((await all).map(({ before, match }) => [before, match])).toEqual([
      ['1', 'a'],
      ['2', 'a'],
      ['\n', 'b'],
    ])
  })

  test('takes the beginning of a line for what it is, and leaves the caller’s expression alone', async () => {
    const console = new GuestConsole()
    const pattern = /^b/gm
    pattern.lastIndex = 3
    console.receive(bytes('xa'))
    await console.expect('a')
    const found = console.expect(pattern)
    console.receive(bytes('b\nb'))
    expect(await found).toMatchObject({ before: 'b\n' })
    expect(pattern.lastIndex).toBe(3)
  })

  test('named groups have their names', async () => {
    const console = new GuestConsole()
    console.receive(bytes('cpu MHz : 2400\n'))
    const { groups, named } = await console.expect(/^(?<key>.+?) *: (?<value>\d+)(?<rest>\.\d+)?$/m)
    expect(named).toEqual({ key: 'cpu MHz', value: '2400', rest: undefined })
    expect(groups).toEqual(['cpu MHz', '2400', undefined])
  })

  test('UTF-8 in pieces, carriage returns alone and before a line feed', async () => {
    const console = new GuestConsole()
    for (const byte of bytes('1 %\r2 %\r\näö€\r')) console.receive(Uint8Array.of(byte))
    console.receive(bytes('\nend'))
    await console.expect('end')
    expect(console.text).toBe('1 %\r2 %\näö€\nend')
  })
})

describe('a wait', () => {
  test.each(['needle', /needle/])('for %s searches once a turn, and not for each character', async (wanted) => {
    const console = new GuestConsole()
    const waiting = console.expect(wanted)
    const searches = [vi.spyOn(RegExp.prototype, 'exec'), vi.spyOn(String.prototype, 'indexOf')]
    for (let count = 0; count < 40_960; count++) console.receive(Uint8Array.of(0x78))
    const calls = searches.map(
      ({ mock }) => mock.calls.filter(([first]) => first === wanted || first.startsWith('x')).length,
    )
    for (const search of searches) search.mockRestore()
    expect(Math.max(...calls)).toBeLessThanOrEqual(10)
    console.receive(bytes('needle'))
    expect(await waiting).toMatchObject({ match: 'needle' })
  })

  // To search a text that was put together from pieces, V8 first copies all of it.
  test.each(['needle', /needle/])(
    'for %s hands over a few times what the guest prints, however much is kept',
    async (wanted) => {
      const console = new GuestConsole({ keep: 2 ** 20 })
      const waiting = console.expect(wanted)
      const exec = vi.spyOn(RegExp.prototype, 'exec')
      const indexOf = vi.spyOn(String.prototype, 'indexOf')
      const piece = bytes('x'.repeat(4096))
      for (let count = 0; count < 256; count++) console.receive(piece)
      const texts = [...exec.mock.calls.map(([text]) => text), ...indexOf.mock.contexts.map(String)]
      exec.mockRestore()
      indexOf.mockRestore()
      const searched = texts.filter((text) => text.startsWith('x')).map((text) => text.length)
      expect(searched.length).toBeGreaterThanOrEqual(256)
      expect(searched.reduce((sum, length) => sum + length, 0)).toBeLessThan(6 * 2 ** 20)
      console.receive(bytes('needle'))
      expect((await waiting).before).toHaveLength(2 ** 20)
    },
  )

  test('takes no later character for the beginning of the text', async () => {
    const console = new GuestConsole()
    const waiting = console.expect(/^x/, { timeout: 10 })
    console.receive(bytes(' '))
    for (let count = 0; count < 20; count++) console.receive(bytes('x'.repeat(4096)))
    await expectRejection(waiting, 'ERR_KVM_EXPECT_TIMEOUT')
  })
})

describe('what is kept', () => {
  test('is bounded, and a wait goes on over what is forgotten', async () => {
    const console = new GuestConsole({ keep: 4096 })
    const waiting = console.expect('needle')
    await turn()
    for (let round = 0; round < 50; round++) console.receive(bytes('x'.repeat(1000)))
    console.receive(bytes('nee'))
    console.receive(bytes('dle'))
    const { before, match } = await waiting
    expect(match).toBe('needle')
    expect(before.length).toBeLessThanOrEqual(2 * 4096)
    expect(console.text).toHaveLength(4096)
    expect(console.text.endsWith('xneedle')).toBe(true)
  })

  test('one piece larger than that', async () => {
    const console = new GuestConsole({ keep: 4096 })
    console.receive(bytes(`needle${'x'.repeat(100_000)}`))
    expect(console.text).toBe('x'.repeat(4096))
    await expectRejection(console.expect('needle', { timeout: 1 }), 'ERR_KVM_EXPECT_TIMEOUT')
  })
})

test('counts the characters that it has forgotten', () => {
  const console = new GuestConsole({ keep: 4096 })
  const counts = [1, 4095, 1, 4095, 1, 10_000].map((length) => {
    console.receive(Buffer.alloc(length, 'x'))
    return [console.text.length, console.forgotten]
  })
  expect(counts).toEqual([
    [1, 0],
    [4096, 0],
    [4096, 1],
    [4096, 4096],
    [4096, 4097],
    [4096, 14_097],
  ])
})

test('wrong arguments', () => {
  const console = new GuestConsole()
  for (const keep of [0, 4095, 2 ** 28 + 1, 1.5, '5000']) {
    expectRefusal(() => new GuestConsole({ keep: keep as number }), 'ERR_KVM_INVALID_ARGUMENT', /keep/)
  }
  for (const typeAhead of [0, 2 ** 28 + 1, '1']) {
    expectRefusal(() => new GuestConsole({ typeAhead: typeAhead as number }), 'ERR_KVM_INVALID_ARGUMENT', /typeAhead/)
  }
  for (const wanted of ['', 'x'.repeat(4097), undefined, 7, null]) {
    expectRefusal(() => console.expect(wanted as string), 'ERR_KVM_INVALID_ARGUMENT', /wanted/)
  }
  for (const timeout of [0, -1, 2 ** 31, Infinity]) {
    expectRefusal(() => console.expect('x', { timeout }), 'ERR_KVM_INVALID_ARGUMENT', /timeout/)
  }
  expectRefusal(() => console.expect('x', { signal: {} as AbortSignal }), 'ERR_KVM_INVALID_ARGUMENT', /signal/)
  expectRefusal(() => console.send(7 as unknown as string), 'ERR_KVM_INVALID_ARGUMENT', /text/)
})
