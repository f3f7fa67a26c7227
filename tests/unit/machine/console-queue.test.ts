// Several waits for one guest's output: turns, time limits, signals.
import { GuestConsole } from 'node-kvm/machine'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { expectRejection } from '../../thrown.js'

const bytes = (text: string) => Buffer.from(text)

/** What has become of a promise by now. */
function watch(promise: Promise<unknown>) {
  const seen: { state: 'waiting' | 'resolved' | 'rejected' } = { state: 'waiting' }
  promise.then(
    () => (seen.state = 'resolved'),
    () => (seen.state = 'rejected'),
  )
  return seen
}

describe('time limits', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('each counts from its own call, whoever waits before', async () => {
    const console = new GuestConsole()
    const first = console.expect('first', { timeout: 1000 })
    const second = console.expect('second', { timeout: 100 })
    const [one, two] = [watch(first), watch(second)]
    const refused = expectRejection(
      second,
      'ERR_KVM_EXPECT_TIMEOUT',
      /^100 ms passed before "second" had its turn, behind "first"/,
    )
    await vi.advanceTimersByTimeAsync(100)
    await refused
    expect([one.state, two.state]).toEqual(['waiting', 'rejected'])
    console.receive(bytes('the first'))
    expect(await first).toMatchObject({ before: 'the ' })
  })

  test('one that passes gives the next its turn, with the text that is there', async () => {
    const console = new GuestConsole()
    const failed = expectRejection(
      console.expect('never', { timeout: 10 }),
      'ERR_KVM_EXPECT_TIMEOUT',
      /^within 10 ms the guest did not write "never"[^]*the text/,
    )
    const next = console.expect('text')
    console.receive(bytes('the text'))
    expect(watch(next).state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(10)
    await failed
    expect(await next).toMatchObject({ before: 'the ' })
  })

  test('30 s unless said otherwise', async () => {
    const waiting = new GuestConsole().expect('x')
    const seen = watch(waiting)
    await vi.advanceTimersByTimeAsync(29_999)
    expect(seen.state).toBe('waiting')
    await vi.advanceTimersByTimeAsync(1)
    expect(seen.state).toBe('rejected')
  })

  test('no timer and no listener is left behind', async () => {
    const console = new GuestConsole()
    const controller = new AbortController()
    const { signal } = controller
    const removed = vi.spyOn(signal, 'removeEventListener')
    console.receive(bytes('x'))
    await console.expect('x', { signal })
    expect(removed).toHaveBeenCalledOnce()
    const waits = [console.expect('y', { signal }), console.expect('z', { timeout: 5 })]
    const settled = Promise.allSettled(waits)
    controller.abort()
    await vi.advanceTimersByTimeAsync(5)
    await settled
    expect(vi.getTimerCount()).toBe(0)
    expect(removed).toHaveBeenCalledTimes(2)
  })
})

describe('signals', () => {
  const reason = new Error('enough')

  test('one that is aborted already rejects at once, behind others too, and consumes nothing', async () => {
    const console = new GuestConsole()
    console.receive(bytes('text'))
    const signal = AbortSignal.abort(reason)
    await expect(console.expect('text', { signal })).rejects.toBe(reason)
    expect(await console.expect('text')).toMatchObject({ before: '', match: 'text' })
    const waiting = console.expect('more')
    await expect(console.expect('more', { signal })).rejects.toBe(reason)
    console.receive(bytes(' and more'))
    expect(await waiting).toMatchObject({ before: ' and ' })
  })

  test('whoever stands in the middle leaves, and the others go on', async () => {
    const console = new GuestConsole()
    const controller = new AbortController()
    const first = console.expect('a')
    const second = console.expect('b', { signal: controller.signal })
    const third = console.expect('c')
    controller.abort(reason)
    await expect(second).rejects.toBe(reason)
    console.receive(bytes('a b c'))
    expect(await first).toMatchObject({ before: '' })
    expect(await third).toMatchObject({ before: ' b ' })
  })

  test('the one that has its turn leaves, and the next one sees all text behind the last match', async () => {
    const console = new GuestConsole()
    const controller = new AbortController()
    const first = console.expect('never', { signal: controller.signal })
    const second = console.expect('needle')
    console.receive(bytes(`needle${'x'.repeat(10_000)}`))
    controller.abort(reason)
    await expect(first).rejects.toBe(reason)
    expect(await second).toMatchObject({ before: '' })
  })
})

test('1024 wait, and one more is refused', async () => {
  const console = new GuestConsole()
  const waits = Array.from({ length: 1024 }, () => console.expect('x'))
  await expectRejection(console.expect('x'), 'ERR_KVM_CONSOLE_FULL', /1024 calls .* await them/)
  console.receive(bytes('x'.repeat(1024)))
  expect(await Promise.all(waits)).toHaveLength(1024)
  console.receive(bytes('x'))
  await console.expect('x')
})
