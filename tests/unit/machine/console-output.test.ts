// Who takes a guest's output and who gives it input, without a machine: slow ones, those that fail, those that go.
import { AsyncLocalStorage } from 'node:async_hooks'
import { PassThrough, Readable, Writable } from 'node:stream'

import { serial, type SerialDeviceOptions } from 'node-kvm/machine'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { expectRefusal, expectRejection, thrownBy } from '../../thrown.js'
import { fakeHost, writeLine } from './host.js'

const turn = () => new Promise((resolve) => setImmediate(resolve))

function attached(options: SerialDeviceOptions) {
  const line = serial(options)
  const host = fakeHost()
  line.attach(host)
  return { line, host }
}

/** A stream whose pieces are taken when the test says so. */
function held() {
  const taken: string[] = []
  const waiting: ((error?: Error) => void)[] = []
  const stream = new Writable({
    highWaterMark: 16,
    write(chunk: Buffer, _encoding, done) {
      waiting.push((error) => {
        if (error === undefined) taken.push(chunk.toString())
        done(error)
      })
    },
  })
  const release = async (error?: Error) => {
    waiting.shift()?.(error)
    await turn()
    await turn()
  }
  return { stream, taken, waiting, release }
}

describe('a reader that is slow', () => {
  test('gets what was written before the end, and the end waits for it', async () => {
    const { stream, taken, release } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'first ')
    await turn()
    writeLine(host, 'the panic')
    host.end()
    let ended = false
    const end = Promise.resolve(line.ended?.()).then(() => (ended = true))
    await turn()
    expect([taken, ended]).toEqual([[], false])
    await release()
    expect([taken, ended]).toEqual([['first '], false])
    await release()
    await end
    expect([taken.join(''), line.lost]).toEqual(['first the panic', 0])
  })

  test('gets one life after the other', async () => {
    const { stream, taken, release } = held()
    const { line, host } = attached({ output: stream })
    for (const [life, text] of [host, fakeHost(), fakeHost()].map((each, index) => [each, `life ${index};`] as const)) {
      if (life !== host) line.attach(life)
      writeLine(life, text)
      life.end()
    }
    const end = line.ended?.()
    for (let count = 0; count < 3; count++) await release()
    await end
    expect(taken.join('')).toBe('life 0;life 1;life 2;')
    await turn()
    expect([stream.listenerCount('error'), stream.listenerCount('close')]).toEqual([0, 0])
  })

  test('may be an async function: it gets no more before its promise has resolved', async () => {
    const got: string[] = []
    let done: () => void = () => undefined
    const output = async (bytes: Uint8Array) => {
      got.push(Buffer.from(bytes).toString())
      await new Promise<void>((resolve) => (done = resolve))
    }
    const { line, host } = attached({ output })
    for (const text of ['a', 'b', 'c']) {
      writeLine(host, text)
      await turn()
    }
    expect(got).toEqual(['a'])
    done()
    await turn()
    expect(got).toEqual(['a', 'bc'])
    const end = line.ended?.()
    done()
    await end
    expect(line.lost).toBe(0)
  })

  test('loses what is more than a megabyte behind, counted', async () => {
    const { stream, release } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'x')
    await turn()
    for (let count = 0; count < 2 ** 20; count += 4096) writeLine(host, 'y'.repeat(4096))
    expect(line.lost).toBe(0)
    writeLine(host, 'lost')
    expect(line.lost).toBe(4)
    const end = line.ended?.()
    for (let count = 0; count < 18; count++) await release()
    await end
    expect(line.lost).toBe(4)
  })
})

describe('a reader that takes nothing', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('holds the end for 5 s; the rest is counted', async () => {
    const { stream, release, taken } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'abc')
    await turn()
    writeLine(host, 'defgh')
    host.end()
    let ended = false
    const end = Promise.resolve(line.ended?.()).then(() => (ended = true))
    await vi.advanceTimersByTimeAsync(4999)
    expect([ended, line.lost]).toEqual([false, 0])
    await vi.advanceTimersByTimeAsync(1)
    await end
    expect(line.lost).toBe(8)
    // What the stream had already may still arrive.
    await release()
    expect([taken, line.lost]).toEqual([['abc'], 5])
  })

  test('for so long: one that takes a piece now and then is waited for', async () => {
    const { stream, release, taken } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'x'.repeat(200_000))
    host.end()
    const end = line.ended?.()
    for (let count = 0; count < 4; count++) {
      await vi.advanceTimersByTimeAsync(4900)
      await release()
    }
    await end
    expect([taken.join('').length, line.lost]).toEqual([200_000, 0])
  })
})

describe('an output that fails ends the run, and gets no more', () => {
  const cause = new Error('disk full')

  test('a function that throws', async () => {
    let calls = 0
    const { line, host } = attached({
      output: () => {
        calls++
        throw cause
      },
    })
    writeLine(host, 'abc')
    await turn()
    expect(host.failures).toMatchObject([
      {
        code: 'ERR_KVM_DEVICE_FAILED',
        message: 'the output of serial line COM1 failed, and gets no more: disk full',
        operands: { device: 'serial line COM1' },
        cause,
      },
    ])
    writeLine(host, 'de')
    await turn()
    host.end()
    await line.ended?.()
    expect([calls, line.lost]).toEqual([1, 5])
    expect(thrownBy(() => line.attach(fakeHost())).cause).toBe(cause)
  })

  test('a promise that rejects', async () => {
    const { line, host } = attached({ output: () => Promise.reject(cause) })
    writeLine(host, 'abc')
    await turn()
    expect([host.failures.length, line.lost]).toEqual([1, 3])
  })

  test('a stream with an error', async () => {
    const { stream, release } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'abc')
    await turn()
    await release(cause)
    expect(host.failures).toMatchObject([{ cause }])
    host.end()
    await line.ended?.()
    expect(line.lost).toBe(3)
    await turn()
    expect(stream.listenerCount('error')).toBe(0)
  })

  test.each([
    ['destroyed', (stream: Writable) => stream.destroy()],
    ['ended', (stream: Writable) => stream.end()],
  ])('a stream that has been %s', async (_how, leave) => {
    const stream = new PassThrough().resume()
    const { line, host } = attached({ output: stream })
    leave(stream)
    await turn()
    expect(host.failures).toEqual([])
    writeLine(host, 'abc')
    await turn()
    await turn()
    expect([host.failures.length, line.lost]).toEqual([1, 3])
  })

  test('a stream that is closed under a piece', async () => {
    const { stream } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'abc')
    await turn()
    stream.destroy()
    await turn()
    expect([host.failures.length, line.lost]).toEqual([1, 3])
  })

  test('one that fails when the guest has ended already is told by the end', async () => {
    const { stream, release } = held()
    const { line, host } = attached({ output: stream })
    writeLine(host, 'abc')
    await turn()
    host.end()
    const end = expectRejection(Promise.resolve(line.ended?.()), 'ERR_KVM_DEVICE_FAILED', /disk full/)
    await release(cause)
    await end
    expect(host.failures).toEqual([])
  })

  test('what is no output is refused', () => {
    for (const output of [null, 7, 'log', {}]) {
      expectRefusal(() => serial({ output: output as never }), 'ERR_KVM_INVALID_ARGUMENT', /output/)
    }
  })
})

describe('an input that fails ends the run', () => {
  test('by an error', async () => {
    const input = new PassThrough()
    const { host } = attached({ input, line: 2 })
    const cause = new Error('read EIO')
    input.destroy(cause)
    await turn()
    expect(host.failures).toMatchObject([
      { code: 'ERR_KVM_DEVICE_FAILED', message: 'the input of serial line COM2 failed: read EIO', cause },
    ])
    host.end()
    expect(input.listenerCount('error')).toBe(0)
  })

  test('by something that is no text', async () => {
    const { host } = attached({ input: Readable.from([7]) })
    await turn()
    await turn()
    expect(host.failures).toMatchObject([{ message: expect.stringMatching(/neither bytes nor text/) as string }])
  })
})

test('an output runs in the async context in which it was given', async () => {
  const storage = new AsyncLocalStorage<string>()
  const seen = new Set<unknown>()
  const note = () => void seen.add(storage.getStore())
  const lines = storage.run('mine', () => [
    serial({ output: note }),
    serial({
      output: new Writable({
        write(_chunk, _encoding, done) {
          note()
          done()
        },
      }),
    }),
  ])
  await storage.run('another’s', async () => {
    for (const line of lines) {
      const host = fakeHost()
      line.attach(host)
      writeLine(host, 'x')
    }
    await turn()
  })
  expect([...seen]).toEqual(['mine'])
})
