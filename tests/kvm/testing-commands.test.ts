// Commands at a guest's shell: the guest connects its console with a shell of the host's, on a terminal.
import { spawn } from 'node:child_process'
import { type GuestConsole, serial } from 'node-kvm/machine'
import { bootOnce, type GuestUnderTest, type WarmGuest } from 'node-kvm/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import { connecting } from './echoing.js'

const PATIENCE = 25_000

/** script(1), which every Debian has, makes a terminal around a shell: it echoes what is typed, and lets a line be edited. */
function startShell(shell: string) {
  const child = spawn('script', ['--quiet', '--flush', '--command', shell, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/sh', PS1: '# ' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  afterAllKill.push(() => child.kill('SIGKILL'))
  // The shell has gone when its fork has: nobody reads.
  child.stdin.on('error', () => undefined)
  return serial({ line: 2, input: child.stdout, output: child.stdin })
}
const afterAllKill: (() => unknown)[] = []
afterAll(() => {
  for (const kill of afterAllKill) kill()
})

describe.each(['dash -i', 'bash --norc -i'])('at %s', (shell) => {
  let warm: WarmGuest
  beforeAll(async () => {
    const machine = (console: GuestConsole) => connecting(serial({ console }), startShell(shell))
    warm = await bootOnce({ machine, ready: 'ready\n', timeout: PATIENCE, keep: 4096 })
  })
  afterAll(() => warm.close())

  const inGuest = (body: (guest: GuestUnderTest) => Promise<void>) => () => warm.fork(body)

  test(
    'a command has its output and its status',
    inGuest(async (guest) => {
      expect(await guest.run('echo hello')).toEqual({ status: 0, output: 'hello\n', truncated: false })
      expect(await guest.run('printf "no end of line"; exit 3')).toMatchObject({ status: 3, output: 'no end of line' })
      expect(await guest.run('')).toMatchObject({ status: 0, output: '' })
      expect(await guest.run('kill -9 $$')).toMatchObject({ status: 137 })
    }),
  )

  test(
    'a command may have any characters in it, and be long',
    inGuest(async (guest) => {
      const text = 'it\'s "quoted" \\ $HOME `id` ! % \t tab\nand é ü 漢 \x7f'
      expect((await guest.run(`cat <<'END'\n${text}\nEND\n`)).output).toBe(`${text}\n`)
      const long = 'x'.repeat(3000)
      expect((await guest.run(`echo ${long}`)).output).toBe(`${long}\n`)
    }),
  )

  test(
    'a command that is wrong, or reads, does nothing to the next one',
    inGuest(async (guest) => {
      for (const wrong of ['echo "', '(', 'fi', 'exec false', 'set -e; false', 'cat; exit 1']) {
        expect((await guest.run(wrong)).status, wrong).not.toBe(0)
      }
      expect(await guest.run('read line')).toMatchObject({ status: 1 })
      expect((await guest.run('echo on')).output).toBe('on\n')
    }),
  )

  test(
    'a command that prints marks like ours does not end itself',
    inGuest(async (guest) => {
      await guest.run('true')
      const [mark = ''] = /[0-9a-f]{16}/.exec(guest.console.text) ?? []
      expect(mark).not.toBe('')
      const fake = `${mark}>0`
      expect(await guest.run(`echo '${fake}'; echo '0123456789abcdef>0'; exit 7`)).toMatchObject({
        status: 7,
        output: `${fake}\n0123456789abcdef>0\n`,
      })
    }),
  )

  test(
    'commands given at once are run one after the other',
    inGuest(async (guest) => {
      const results = await Promise.all([1, 2, 3].map((number) => guest.run(`echo ${number}; exit ${number}`)))
      expect(results.map(({ status, output }) => [status, output])).toEqual([
        [1, '1\n'],
        [2, '2\n'],
        [3, '3\n'],
      ])
    }),
  )

  test(
    'of much output the end is kept, and it is said',
    inGuest(async (guest) => {
      const { status, output, truncated } = await guest.run('seq 4000')
      expect({ status, truncated }).toEqual({ status: 0, truncated: true })
      expect(output.length).toBeLessThanOrEqual(3 * 4096)
      expect(output).toMatch(/\n3999\n4000\n$/)
    }),
  )

  test(
    'a command that takes too long is an error with its name',
    inGuest(async (guest) => {
      const error = await expectRejection(guest.run('sleep 100', { timeout: 200 }), 'ERR_KVM_EXPECT_TIMEOUT')
      expect(error.message).toBe('the command "sleep 100" did not end within 200 ms')
      expect(error.operands).toMatchObject({ command: 'sleep 100' })
    }),
  )

  test(
    'the guest ends before the command does',
    inGuest(async (guest) => {
      const command = guest.run('sleep 100')
      void guest.machine.stop()
      await expectRejection(command, 'ERR_KVM_GUEST_ENDED', /before the command "sleep 100" did/)
    }),
  )
})

test('a command is text, and not too long', async () => {
  const machine = (console: GuestConsole) => connecting(serial({ console }), serial({ line: 2 }))
  await using warm = await bootOnce({ machine, ready: 'ready\n' })
  await warm.fork(async (guest) => {
    for (const wrong of ['a\0b', 'x'.repeat(70_000), 1]) {
      await expectRejection(guest.run(wrong as string), 'ERR_KVM_INVALID_ARGUMENT', /command/)
    }
    await expectRejection(guest.run('true', { timeout: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /timeout/)
  })
})
