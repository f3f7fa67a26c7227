// A script at a serial line: what it types waits for the guest, and every end of a guest is told.
import { PassThrough } from 'node:stream'

import { GuestConsole, serial } from 'node-kvm/machine'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection } from '../../thrown.js'
import { fakeHost, readLine, writeLine } from './host.js'

function attached(console: GuestConsole) {
  const line = serial({ console })
  const host = fakeHost()
  line.attach(host)
  return { line, host }
}

describe('send()', () => {
  test('what is typed before the guest starts, and after, is read in order', async () => {
    const console = new GuestConsole()
    console.send('uname -r\n')
    console.send('ä')
    const { host } = attached(console)
    expect(await readLine(host)).toBe('uname -r\nä')
    console.send('exit\n')
    expect(await readLine(host)).toBe('exit\n')
  })

  test('is bounded: too much at once types nothing', async () => {
    const console = new GuestConsole({ typeAhead: 10 })
    const error = expectRefusal(
      () => {
        console.send('12345678901')
      },
      'ERR_KVM_CONSOLE_FULL',
      /11 bytes are too many: 0 wait already .* 10 may; send less/,
    )
    expect(error.operands).toEqual({ length: 11, waiting: 0, limit: 10 })
    console.send('1234567890')
    expectRefusal(() => console.send('x'), 'ERR_KVM_CONSOLE_FULL', /10 wait already/)
    console.send('')
    const { host } = attached(console)
    expect(await readLine(host)).toBe('1234567890')
    console.send('again')
    expect(await readLine(host)).toBe('again')
  })

  test('a guest that never reads stops a script that never waits', async () => {
    const console = new GuestConsole({ typeAhead: 100_000 })
    const { host } = attached(console)
    const line = `${'x'.repeat(999)}\n`
    let typed = ''
    const error = expectRefusal(() => {
      for (;;) {
        console.send(line)
        typed += line
      }
    }, 'ERR_KVM_CONSOLE_FULL')
    expect(error.operands).toMatchObject({ limit: 100_000 })
    await new Promise((resolve) => setImmediate(resolve))
    expect(await readLine(host)).toBe(typed)
  })

  test('what a guest has not read is there for its next life, whole', async () => {
    const console = new GuestConsole()
    const { host, line } = attached(console)
    const text = Array.from({ length: 2000 }, (_, index) => `${index}\n`).join('')
    console.send(text)
    await new Promise((resolve) => setImmediate(resolve))
    host.end()
    const next = fakeHost()
    line.attach(next)
    // One character had come through the wire.
    expect(await readLine(next)).toBe(text.slice(1))
  })
})

test('a stream’s text that a guest has not read is there for its next life, too', async () => {
  const input = new PassThrough()
  const line = serial({ input })
  const text = Array.from({ length: 2000 }, (_, index) => `${index}\n`).join('')
  input.write(text)
  for (const expected of ['0', text.slice(1)]) {
    const host = fakeHost()
    line.attach(host)
    await new Promise((resolve) => setImmediate(resolve))
    if (expected.length > 1) expect(await readLine(host)).toBe(expected)
    host.end()
    expect(input.isPaused()).toBe(true)
  }
})

describe('the end of a guest', () => {
  test('ends the wait, and every later one, unless what is wanted is there', async () => {
    const console = new GuestConsole()
    const { host, line } = attached(console)
    writeLine(host, 'last words\r')
    const waits = ['more', 'and more'].map((wanted) =>
      expectRejection(console.expect(wanted), 'ERR_KVM_GUEST_ENDED', /ended before .*more"[^]*last words/),
    )
    host.end()
    void line.ended?.()
    await Promise.all(waits)
    await expectRejection(console.expect('more'), 'ERR_KVM_GUEST_ENDED')
    expect(await console.expect('words')).toMatchObject({ before: 'last ' })
    expect(console.text).toBe('last words\r')
  })

  test('is none when it boots again', async () => {
    const console = new GuestConsole()
    const { host, line } = attached(console)
    const waiting = console.expect('again')
    host.end()
    await new Promise((resolve) => setTimeout(resolve, 1))
    const next = fakeHost()
    line.attach(next)
    writeLine(next, 'again')
    expect(await waiting).toMatchObject({ match: 'again' })
  })

  test('is over when another machine takes the console', async () => {
    const console = new GuestConsole()
    const { host, line } = attached(console)
    host.end()
    void line.ended?.()
    await expectRejection(console.expect('x'), 'ERR_KVM_GUEST_ENDED')
    const { host: next } = attached(console)
    const waiting = console.expect('x')
    writeLine(next, 'x')
    await waiting
  })

  test('is told when no guest came to be', async () => {
    const console = new GuestConsole()
    const waiting = expectRejection(console.expect('x'), 'ERR_KVM_GUEST_ENDED')
    void serial({ console }).ended?.()
    await waiting
  })
})

describe('a console that another line has', () => {
  test('is refused, and stays with the one that has it', async () => {
    const console = new GuestConsole()
    const { host } = attached(console)
    const second = serial({ console, line: 2 })
    expectRefusal(() => second.attach(host), 'ERR_KVM_CONSOLE_IN_USE', /give each line one of its own/)
    void second.ended?.()
    const waiting = console.expect('still here')
    console.send('hello')
    expect(await readLine(host)).toBe('hello')
    writeLine(host, 'still here')
    await waiting
  })

  test('the same device in two machines is that, too', () => {
    const { line, host } = attached(new GuestConsole())
    expectRefusal(() => line.attach(fakeHost()), 'ERR_KVM_CONSOLE_IN_USE')
    host.end()
    line.attach(fakeHost())
  })
})
