// A script's end of a serial line, without a machine.
import { GuestConsole } from 'node-kvm/machine'
import { describe, expect, test, vi } from 'vitest'

import { expectRefusal } from '../../thrown.js'

const bytes = (text: string) => Buffer.from(text)
const turn = () => new Promise((resolve) => setImmediate(resolve))
async function codeOf(promise: Promise<unknown>) {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error as { code?: string; message?: string } | undefined
}

describe('expect()', () => {
  test('finds what is there already, and what comes in pieces', async () => {
    const console = new GuestConsole()
    console.receive(bytes('login: '))
    expect(await console.expect('login: ')).toEqual({ before: '', match: 'login: ', groups: [] })
    const found = console.expect(/version (\d+)\.(\d+)(x)?\n/)
    for (const character of 'Linux version 6.1\r\n') {
      console.receive(bytes(character))
      await turn()
    }
    expect(await found).toEqual({ before: 'Linux ', match: 'version 6.1\n', groups: ['6', '1', undefined] })
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

  test('a failed call does not stop the next one', async () => {
    const console = new GuestConsole()
    const failed = codeOf(console.expect('never', { timeout: 1 }))
    const next = console.expect('text')
    console.receive(bytes('the text'))
    expect(await failed).toMatchObject({
      code: 'ERR_KVM_EXPECT_TIMEOUT',
      message: expect.stringContaining('the text') as string,
    })
    expect(await next).toMatchObject({ before: 'the ' })
  })

  test('UTF-8 in pieces, carriage returns alone and before a line feed', async () => {
    const console = new GuestConsole()
    for (const byte of bytes('1 %\r2 %\r\näö€\r')) console.receive(Uint8Array.of(byte))
    console.receive(bytes('\nend'))
    await console.expect('end')
    expect(console.text).toBe('1 %\r2 %\näö€\nend')
  })

  test('is ended by its signal, before and while it waits', async () => {
    const console = new GuestConsole()
    const reason = new Error('enough')
    const controller = new AbortController()
    const waiting = console.expect('x', { signal: controller.signal })
    await turn()
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await expect(console.expect('x', { signal: controller.signal })).rejects.toBe(reason)
  })

  test('leaves no timer and no listener behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const console = new GuestConsole()
      const { signal } = new AbortController()
      const removed = vi.spyOn(signal, 'removeEventListener')
      console.receive(bytes('x'))
      await console.expect('x', { signal })
      expect(vi.getTimerCount()).toBe(0)
      expect(removed).toHaveBeenCalledOnce()
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('the end of a guest', () => {
  test('ends the wait, and every later one, unless what is wanted is there', async () => {
    const console = new GuestConsole()
    console.attach()
    console.receive(bytes('last words'))
    const waiting = codeOf(console.expect('more'))
    console.detach()
    expect(await waiting).toMatchObject({
      code: 'ERR_KVM_GUEST_ENDED',
      message: expect.stringMatching(/"more"[^]*last words/) as string,
    })
    expect(await codeOf(console.expect('more'))).toMatchObject({ code: 'ERR_KVM_GUEST_ENDED' })
    expect(await console.expect('words')).toMatchObject({ before: 'last ' })
  })

  test('is none when it boots again at once', async () => {
    const console = new GuestConsole()
    console.attach()
    const waiting = console.expect('again')
    console.detach()
    await Promise.resolve()
    console.attach()
    await turn()
    console.receive(bytes('again'))
    expect(await waiting).toMatchObject({ match: 'again' })
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
    expect(await codeOf(console.expect('needle', { timeout: 1 }))).toMatchObject({ code: 'ERR_KVM_EXPECT_TIMEOUT' })
  })
})

test('send() is what the guest reads, in order', async () => {
  const console = new GuestConsole()
  console.send('uname -r\n')
  console.send('exit\n')
  await turn()
  expect(String(console.input.read())).toBe('uname -r\nexit\n')
})

test('wrong arguments', () => {
  const console = new GuestConsole()
  for (const keep of [0, 4095, 2 ** 28 + 1, 1.5, '5000']) {
    expectRefusal(() => new GuestConsole({ keep: keep as number }), 'ERR_KVM_INVALID_ARGUMENT', /keep/)
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
