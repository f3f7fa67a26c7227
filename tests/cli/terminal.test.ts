// `node-kvm run` on a real terminal: what its keys do, and that the terminal is given back.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { runCli } from './run-cli.js'
import { runOnTerminal, type TerminalSession } from './terminal-session.js'

const READY = '>'

/**
 * A boot sector that prints ">" and then whatever it gets, except:
 * E writes 7 to the exit port, O switches off, ! panics, B asks for the power button's events, and is printed after that.
 */
const ECHO = Uint8Array.from([
  ...[0xba, 0xf8, 0x03], //          mov dx, 0x3f8
  ...[0xb0, 0x3e], //                mov al, '>'
  0xee, //                     next: out dx, al
  ...[0xba, 0xfd, 0x03], //          mov dx, 0x3fd
  0xec, //                     wait: in al, dx
  ...[0xa8, 0x01, 0x74, 0xfb], //    test al, 1; jz wait
  ...[0xba, 0xf8, 0x03, 0xec], //    mov dx, 0x3f8; in al, dx
  ...[0x3c, 0x45, 0x74, 14], //      cmp al, 'E'; je exit
  ...[0x3c, 0x4f, 0x74, 14], //      cmp al, 'O'; je off
  ...[0x3c, 0x21, 0x74, 17], //      cmp al, '!'; je panic
  ...[0x3c, 0x42, 0x74, 17], //      cmp al, 'B'; je button
  ...[0xeb, 0xe1], //                jmp next
  ...[0xb0, 7, 0xe6, 0xf4], //  exit: mov al, 7; out 0xf4, al
  ...[0xba, 0x04, 0x06], //      off: mov dx, 0x604
  ...[0xb8, 0x00, 0x34, 0xef], //    mov ax, 5 << 10 | 1 << 13; out dx, ax
  ...[0xba, 0x05, 0x05, 0xee], // panic: mov dx, 0x505; out dx, al
  ...[0xba, 0x02, 0x06], //   button: mov dx, 0x602
  ...[0xb8, 0x00, 0x01, 0xef], //    mov ax, 1 << 8; out dx, ax
  ...[0xb0, 0x42], //                mov al, 'B'
  ...[0xba, 0xf8, 0x03], //          mov dx, 0x3f8
  ...[0xeb, 0xc4], //                jmp next
])

/** One that prints ">" and never looks at its serial line again: jmp to itself. */
const DEAF = Uint8Array.of(0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee, 0xeb, 0xfe)

/** One that prints ">", and that again without end. */
const FLOOD = Uint8Array.of(0xba, 0xf8, 0x03, 0xb0, 0x3e, 0xee, 0xeb, 0xfd)

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-kvm-terminal-'))
  writeFileSync(join(folder, 'echo'), ECHO)
  writeFileSync(join(folder, 'deaf'), DEAF)
  writeFileSync(join(folder, 'flood'), FLOOD)
  return () => rmSync(folder, { recursive: true })
})

interface GuestSettings {
  image?: 'echo' | 'deaf' | 'flood'
  options?: string[]
  run?: string
}

/** The guest, when it waits for what is typed. */
async function startGuest(settings: GuestSettings = {}): Promise<TerminalSession> {
  const { image = 'echo', options = [], ...rest } = settings
  const session = runOnTerminal(folder, ['--format', 'flat', image, ...options], rest)
  await session.expect(READY)
  return session
}

describe('keys', () => {
  test('Ctrl-C, Ctrl-Z, Ctrl-\\, Ctrl-D, Ctrl-S and Enter go to the guest', async () => {
    const guest = await startGuest()
    guest.type('a\x03\x1a\x1c\x04\x13\rz')
    await guest.expect('a\x03\x1a\x1c\x04\x13\rz')
    guest.type('O')
    expect(await guest.end()).toMatchObject({ status: 0 })
  })

  test('Ctrl-A Ctrl-A and Ctrl-A a send Ctrl-A', async () => {
    const guest = await startGuest()
    guest.type('1\x01\x012\x01a3')
    await guest.expect('1\x012\x013')
    guest.type('O')
    await guest.end()
  })

  test("Ctrl-A w types the window's size as a command", async () => {
    const guest = await startGuest()
    guest.type('\x01w')
    await guest.expect('stty rows 33 cols 101\r')
    guest.type('O')
    await guest.end()
  })

  test('Ctrl-A h, and any other key, lists the keys', async () => {
    const guest = await startGuest()
    for (const key of ['h', '?']) {
      guest.type(`\x01${key}`)
      for (const line of ['Ctrl-A x ', 'Ctrl-A p ', 'Ctrl-A w ', 'Ctrl-A h ', 'Ctrl-A Ctrl-A '])
        await guest.expect(line)
    }
    guest.type('\x01x')
    await guest.end()
  })

  test('Ctrl-A p presses the power button, and says whether the guest listens', async () => {
    const guest = await startGuest()
    guest.type('\x01p')
    await guest.expect('[the guest does not listen to the power button]')
    guest.type('B')
    await guest.expect('B')
    guest.type('\x01p')
    await guest.expect('[power button pressed]')
    guest.type('\x01x')
    await guest.end()
  })
})

test('a guest that takes no input does not keep the escape key from being heard', async () => {
  const guest = await startGuest({ image: 'deaf' })
  guest.type('more than any buffer on the way has room for\r'.repeat(50_000))
  guest.type('\x01x')
  expect(await guest.end()).toMatchObject({ status: 0 })
})

test('--help lists the same keys', async () => {
  const guest = await startGuest()
  guest.type('\x01h\x01x')
  const { shown } = await guest.end()
  const [keys = ''] = /Ctrl-A x [^\]]*/.exec(shown) ?? []
  expect(keys).toContain('Ctrl-A w')
  const { stdout } = runCli('run', '--help')
  for (const line of keys.split('\r\n')) expect(stdout).toContain(line.trim())
})

test('a stopped process that is continued has its keys again', async () => {
  const run = `
    exec 3<&0
    sh -c 'echo $$ >pid; exec "$@"' sh "$@" <&3 &
    until [ -e stopped ]; do sleep 0.05; done
    stty "$(cat before)"
    echo taken
    until stty -a | grep -q -e -icanon; do sleep 0.05; done
    echo given
    wait $!
    echo $? >status`
  const guest = await startGuest({ run })
  guest.kill('SIGSTOP')
  writeFileSync(join(folder, 'stopped'), '')
  await guest.expect('taken')
  guest.kill('SIGCONT')
  await guest.expect('given')
  guest.type('a\x03z')
  await guest.expect('a\x03z')
  guest.type('O')
  expect(await guest.end()).toMatchObject({ status: 0 })
})

describe('the terminal is as it was', () => {
  test.each([
    ['quitting', '\x01x', 0],
    ['power-off', 'O', 0],
    ['the exit port', 'E', 15],
    ['a panic', '!', 4],
  ])('after %s', async (_end, keys, expected) => {
    const guest = await startGuest()
    guest.type(keys)
    const { status, before, after } = await guest.end()
    expect({ status, mode: after }).toEqual({ status: expected, mode: before })
  })

  test.each([
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
    ['SIGTERM', 143],
  ] as const)('after %s, with the status %i that shells give it', async (signal, expected) => {
    const guest = await startGuest()
    guest.kill(signal)
    await guest.expect(`node-kvm: ended by ${signal}`)
    const { status, before, after } = await guest.end()
    expect({ status, mode: after }).toEqual({ status: expected, mode: before })
  })

  test.each([
    ['the time limit', ['--format', 'flat', 'echo', '--timeout', '0.5'], 124],
    ['a kernel that is not there', ['nothing'], 1],
    ['a kernel that is none', ['echo'], 1],
    ['a machine that cannot be', ['--format', 'flat', 'echo', '--memory', '1'], 2],
  ])('after %s', async (_end, args, expected) => {
    const { status, before, after } = await runOnTerminal(folder, args).end()
    expect({ status, mode: after }).toEqual({ status: expected, mode: before })
  })

  test('when nobody reads the output any more', async () => {
    const run = '{ "$@"; echo $? >status; } | { head -c 1; exec <&-; echo gone >&2; }'
    const guest = await startGuest({ run })
    await guest.expect('gone')
    guest.type('a')
    await guest.expect('node-kvm: standard output: nobody reads it any more (EPIPE)')
    const { status, before, after } = await guest.end()
    expect({ status, mode: after }).toEqual({ status: 1, mode: before })
  })
})

describe('a terminal that has stalled', () => {
  /** A guest that has filled all that is on the way to the window. */
  async function stalledGuest(options: string[] = []): Promise<TerminalSession> {
    const guest = await startGuest({ image: 'flood', options })
    guest.stall()
    await new Promise((resolve) => setTimeout(resolve, 3000))
    return guest
  }

  test('does not keep the time limit', async () => {
    const guest = await stalledGuest(['--timeout', '2'])
    expect(await guest.status()).toBe(124)
  })

  test('does not keep a signal', async () => {
    const guest = await stalledGuest()
    guest.kill('SIGTERM')
    expect(await guest.status()).toBe(143)
  })

  test('does not keep a second signal from ending all at once', async () => {
    const guest = await stalledGuest()
    guest.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 100))
    guest.kill('SIGINT')
    expect(await guest.status()).toBe(130)
  })
})

describe('a window that is closed ends', () => {
  // Node would abort (134), because it cannot give a terminal that has gone its mode back.
  test.each(['echo', 'deaf'] as const)('the guest %s', async (image) => {
    const run = `trap '' HUP; sh -c 'echo $$ >pid; exec "$@"' sh "$@"; echo $? >status`
    const guest = await startGuest({ image, run })
    guest.hangUp()
    expect(await guest.status()).toBe(129)
  })

  test('a guest that prints, for either reason', async () => {
    const run = `trap '' HUP; sh -c 'echo $$ >pid; exec "$@"' sh "$@"; echo $? >status`
    const guest = await startGuest({ image: 'flood', run })
    guest.hangUp()
    expect([1, 129]).toContain(await guest.status())
  })
})
