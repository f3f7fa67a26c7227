// A guest that is booted once and forked for each test: node-kvm/testing.
import { KvmError } from 'node-kvm'
import { parseSymbols } from 'node-kvm/inspect'
import { GuestConsole } from 'node-kvm/machine'
import { bootOnce, type BootOnceOptions, type GuestUnderTest, remainsOf, type WarmGuest } from 'node-kvm/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { expectRejection } from '../thrown.js'
import {
  echoing,
  EXIT_WITH_5,
  HALT_FOR_GOOD,
  PVPANIC,
  READY,
  RECEIVED,
  UNDEFINED_INSTRUCTION,
  WRITE_MUCH,
  writer,
} from './echoing.js'

const PATIENCE = 25_000

const boot = (options: Partial<BootOnceOptions> = {}) =>
  bootOnce({ machine: (console) => echoing(console), ready: 'ready', timeout: PATIENCE, ...options })

/** What a promise is rejected with. */
const rejectionOf = (call: () => Promise<unknown>): Promise<unknown> =>
  call().then(
    () => {
      throw new Error('nothing was thrown')
    },
    (error: unknown) => error,
  )

/** Sends a line, and waits for its echo. */
async function say({ console }: GuestUnderTest, line: string): Promise<void> {
  console.send(`${line}\n`)
  await console.expect(`${line}\n`)
}

let warm: WarmGuest
let boots = 0
beforeAll(async () => {
  warm = await boot({
    machine: (console) => {
      boots++
      return echoing(console)
    },
  })
})
afterAll(() => warm.close())

describe('each fork', () => {
  test('goes on behind the ready text, and its console has what comes after it', async () => {
    expect(warm.bootText).toBe('boots\nready')
    const said = await warm.fork(async (guest) => {
      expect(guest.memory.readUint32(RECEIVED)).toBe(0)
      await say(guest, 'hello')
      expect(guest.memory.readUint32(RECEIVED)).toBe('hello\n'.length)
      return guest.console.text
    })
    expect(said).toBe(`${READY.slice(warm.bootText.length)}hello\n`)
  })

  test('knows nothing of the others, which may run at the same time', async () => {
    const lines = Array.from({ length: 20 }, (_, number) => 'x'.repeat(number + 1))
    const counts = await Promise.all(
      lines.map((line) =>
        warm.fork(async (guest) => {
          await say(guest, line)
          return guest.memory.readUint32(RECEIVED)
        }),
      ),
    )
    expect(counts).toEqual(lines.map((line) => line.length + 1))
  })

  test('is closed when the test is over, whatever way', async () => {
    const guests: GuestUnderTest[] = []
    await warm.fork((guest) => void guests.push(guest))
    await expect(
      warm.fork((guest) => {
        guests.push(guest)
        throw new TypeError('of the test')
      }),
    ).rejects.toThrow(TypeError)
    expect(guests.map(({ machine }) => machine.closed)).toEqual([true, true])
  })

  test('shows its registers, and runs on', async () => {
    await warm.fork(async (guest) => {
      const { rip } = await guest.registers()
      expect(rip).toBeGreaterThan(0x8000n)
      expect(rip).toBeLessThan(0x9000n)
      await say(guest, 'on')
      await Promise.all(Array.from({ length: 5 }, () => guest.registers()))
      await say(guest, 'and on')
      await guest.machine.pause()
      await guest.registers(0)
      expect(guest.machine.vm.vcpus.every(({ paused }) => paused)).toBe(true)
      await expectRejection(guest.registers(1), 'ERR_KVM_INVALID_ARGUMENT', /vcpu/)
    })
  })

  test('may end: how, is a value', async () => {
    const outcome = await warm.fork((guest) => {
      guest.console.send(EXIT_WITH_5)
      return guest.ended
    })
    expect(outcome).toMatchObject({ kind: 'exit', value: 5 })
  })
})

/** What a fork rejects with. */
const failureOf = (body: (guest: GuestUnderTest) => unknown, from = warm) => rejectionOf(() => from.fork(body))

describe('a test that fails', () => {
  test('rejects with its own error, which says what the guest wrote, and has it all as data', async () => {
    const own = new TypeError('expected something else')
    const error = (await failureOf(async (guest) => {
      await say(guest, 'the \x1b[31mlast\x9b words')
      throw own
    })) as Error
    expect(error).toBe(own)
    expect(error.message).toMatch(/^expected something else\n\nThe guest was running\.\n {4}0x80/)
    expect(error.message).toMatch(/The last it wrote:\n {2}\| \n {2}\| the \\x1b\[31mlast\\x9b words$/)
    expect(error.stack).toContain(error.message)
    expect(error.stack).toMatch(/^ +at /m)
    expect(remainsOf(error)).toMatchObject({ console: '\nthe \x1b[31mlast\x9b words\n', postMortem: { vcpu: 0 } })
  })

  test('rejects with what it throws, whatever that is', async () => {
    const frozen = Object.freeze(new Error('frozen'))
    for (const thrown of ['text', undefined, frozen])
      expect(await failureOf(() => Promise.reject(thrown as Error))).toBe(thrown)
    expect(frozen.message).toBe('frozen')
    expect(remainsOf(frozen)?.console).toBe('\n')
    expect(remainsOf('text')).toBeUndefined()
  })

  test('by a wait in vain shows where the guest is', async () => {
    const error = (await failureOf(({ console }) => console.expect('never', { timeout: 50 }))) as KvmError
    expect(error).toMatchObject({ code: 'ERR_KVM_EXPECT_TIMEOUT' })
    expect(error.message).toMatch(/The guest was running/)
  })

  test('after it has closed the machine shows the console', async () => {
    const error = (await failureOf((guest) => {
      guest.machine.close()
      throw new Error('later')
    })) as Error
    expect(error.message).toMatch(/^later\n\nHow the guest ended: stopped/)
    expect(remainsOf(error)?.postMortem).toBeUndefined()
  })
})

/** A fork that is told something, and whose test waits for what never comes. */
const failAt = async (keys: string, from = warm) => {
  const error = await failureOf(async (guest) => {
    guest.console.send(keys)
    await new Promise(() => undefined)
  }, from)
  expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED' })
  return error as KvmError
}

describe('a guest that fails ends its test at once', () => {
  test.each([
    'Kernel panic - not syncing: sysrq triggered crash',
    '[    1.234567] Kernel panic - not syncing: Attempted to kill init!',
    '# [   12.000001][  T123] BUG: kernel NULL pointer dereference, address: 0000000000000000',
    '[    1.234567] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!',
    '[    1.234567] Oops: 0002 [#1] PREEMPT SMP NOPTI',
  ])('by the line %s', async (line) => {
    const error = await failAt(`before\n${line}\nand more\n`)
    expect(error.operands).toEqual({ reason: 'console' })
    expect(error.message).toContain(`the guest has failed: ${line.trimStart()}\n`)
    expect(error.message).toMatch(/\n {2}code:\n[^]*\n {2}\| before\n[^]*\n {2}\| and more$/)
    expect(remainsOf(error)).toMatchObject({ postMortem: { vcpus: [{ id: 0 }] } })
  })

  test('by a line that does not end', async () => {
    expect((await failAt('Kernel panic - not syncing: \x1b[2J')).message).toContain('not syncing: \\x1b[2J')
  })

  test('when the test has ended itself, too', async () => {
    const error = await failureOf(async (guest) => {
      guest.console.send('Kernel panic - not syncing: too late\n')
      await guest.console.expect('too late')
    })
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED' })
  })

  test('and not by text that only speaks of it', async () => {
    await warm.fork((guest) => say(guest, `grep 'Kernel panic - not syncing' log; echo BUG: none`))
  })

  test('by patterns of one’s own, or by none', async () => {
    const own = await boot({ failures: [/^assertion (\w+) failed/g] })
    onTestFinished(() => own.close())
    for (let times = 0; times < 2; times++) {
      expect((await failAt('assertion one failed\n', own)).message).toContain('assertion one failed')
    }
    await own.fork((guest) => say(guest, 'Kernel panic - not syncing'))
    const never = await boot({ failures: [] })
    onTestFinished(() => never.close())
    await never.fork((guest) => say(guest, 'Kernel panic - not syncing'))
  })

  test('by a triple fault', async () => {
    const error = await failAt(UNDEFINED_INSTRUCTION)
    expect(error.operands).toEqual({ reason: 'triple-fault' })
    expect(error.message).toMatch(/the guest has failed: triple fault/)
    expect(remainsOf(error)).toMatchObject({
      outcome: { kind: 'triple-fault' },
      postMortem: { outcome: 'triple-fault' },
    })
  })

  test('with the names of its functions, which may be known before it boots or after', async () => {
    const symbols = parseSymbols(Buffer.from('8000 T echo\n9000 T end\n'))
    const named = await boot({ symbols })
    onTestFinished(() => named.close())
    const panic = async ({ console }: GuestUnderTest) => {
      console.send('Kernel panic - not syncing: test\n')
      await console.expect('never')
    }
    for (const fork of [() => named.fork(panic), () => warm.fork(panic, { symbols })]) {
      const error = await rejectionOf(fork)
      expect((error as Error).message).toMatch(/stack:\n +0x80.. echo\+0x/)
    }
  })

  test('by a device that fails', async () => {
    const fails = {
      ...writer(new GuestConsole(), Buffer.alloc(0)),
      device: {
        read: () => undefined,
        write: () => {
          throw new RangeError('of the device')
        },
      },
    }
    const own = await boot({ machine: (console) => echoing(console, [fails]) })
    onTestFinished(() => own.close())
    const error = await failAt(WRITE_MUCH, own)
    expect(error).toMatchObject({ operands: { reason: 'error' }, cause: { code: 'ERR_KVM_DEVICE_FAILED' } })
    expect(error.message).toMatch(/^the guest has failed: .*of the device/)
  })

  test('by a panic that it reports to the panic device', async () => {
    expect((await failAt(PVPANIC)).operands).toEqual({ reason: 'panic' })
  })

  test('and not with what the test does about it', async () => {
    const error = (await failureOf(async (guest) => {
      guest.console.send(UNDEFINED_INSTRUCTION)
      await guest.console.expect('never')
    })) as KvmError
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED', cause: { code: 'ERR_KVM_GUEST_ENDED' } })
  })

  test('by its time limit', async () => {
    const error = await rejectionOf(() => warm.fork(() => new Promise(() => undefined), { timeout: 100 }))
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED', operands: { reason: 'timeout' } })
    expect((error as Error).message).toMatch(/time limit reached[^]*code:/)
  })
})

test('a guest that ends before it has written what is waited for: the error says how', async () => {
  const error = (await failureOf(async (guest) => {
    guest.console.send(EXIT_WITH_5)
    await guest.console.expect('never')
  })) as KvmError
  expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_ENDED' })
  expect(error.message).toMatch(/How the guest ended: the guest ended with code 11/)
})

test('a guest that has halted for good is no failure', async () => {
  const outcome = await warm.fork((guest) => {
    guest.console.send(HALT_FOR_GOOD)
    return guest.ended
  })
  expect(outcome).toMatchObject({ kind: 'halted' })
})

test('ten megabytes that a terminal would obey are bounded, and shown as escapes', async () => {
  const much = Buffer.alloc(10 * 2 ** 20, '\x1b]0;title\x07\x9b2J')
  const own = await boot({ machine: (console) => echoing(console, [writer(console, much)]) })
  onTestFinished(() => own.close())
  const error = (await failureOf(async (guest) => {
    guest.console.send(`${WRITE_MUCH}!end\n`)
    await guest.console.expect('!end\n')
    throw new Error('of the test')
  }, own)) as Error
  expect(remainsOf(error)?.console.length).toBe(2 ** 20)
  expect(error.message.length).toBeLessThan(10_000)
  // eslint-disable-next-line no-control-regex
  expect(error.message).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
})

describe('the warm guest', () => {
  test('has booted once, and asks for devices anew for each fork', async () => {
    const before = boots
    await Promise.all([1, 2, 3].map(() => warm.fork(() => undefined)))
    expect(boots).toBe(before + 3)
  })

  test('is not ready in time', async () => {
    const error = await rejectionOf(() => boot({ ready: 'never', bootTimeout: 200 }))
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED', operands: { reason: 'timeout' } })
    expect((error as Error).message).toMatch(/\n {2}\| ready$/)
  })

  test('fails while it boots', async () => {
    const error = await rejectionOf(() => boot({ ready: 'never', failures: [/^boots/] }))
    expect(error).toMatchObject({ code: 'ERR_KVM_GUEST_FAILED', operands: { reason: 'console' } })
  })

  test('is closed while forks of it run: they end, and there are no more', async () => {
    const own = await boot()
    const guests: GuestUnderTest[] = []
    const forks = [1, 2, 3].map(() =>
      rejectionOf(() =>
        own.fork(async (guest) => {
          guests.push(guest)
          await guest.ended
          await new Promise(() => undefined)
        }),
      ),
    )
    while (guests.length < 3) await new Promise(setImmediate)
    await own.close()
    for (const error of await Promise.all(forks)) expect(error).toMatchObject({ code: 'ERR_KVM_CLOSED' })
    expect(guests.every(({ machine }) => machine.closed)).toBe(true)
    await expectRejection(
      own.fork(() => undefined),
      'ERR_KVM_CLOSED',
      /closed/,
    )
    await own.close()
  })

  test('is closed while a fork of it is made', async () => {
    const own = await boot()
    const fork = own.fork(() => undefined)
    await Promise.all([own.close(), expectRejection(fork, 'ERR_KVM_CLOSED', /closed/)])
  })

  test('lets a signal end a fork', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const fork = warm.fork(
      () => {
        controller.abort(reason)
        return new Promise(() => undefined)
      },
      { signal: controller.signal },
    )
    await expect(fork).rejects.toBe(reason)
    await expect(warm.fork(() => undefined, { signal: controller.signal })).rejects.toBe(reason)
    expect(reason.message).toBe('enough')
  })

  test('refuses wrong options', async () => {
    const wrong: [object, RegExp][] = [
      [{ machine: 1 }, /machine must be a function/],
      [{ ready: '' }, /ready/],
      [{ timeout: 0 }, /timeout/],
      [{ bootTimeout: 1.5 }, /bootTimeout/],
      [{ failures: ['text'] }, /failures/],
      [{ keep: 1 }, /keep/],
      [{ symbols: {} }, /symbols/],
      [{ redy: '#' }, /no option 'redy'/],
    ]
    for (const [option, message] of wrong) await expectRejection(boot(option), 'ERR_KVM_INVALID_ARGUMENT', message)
    const forks: [() => Promise<unknown>, RegExp][] = [
      [() => warm.fork(undefined as never), /test must be a function/],
      [() => warm.fork(() => undefined, { timeout: -1 }), /timeout/],
      [() => warm.fork(() => undefined, { signal: {} as never }), /signal/],
    ]
    for (const [fork, message] of forks) await expectRejection(fork(), 'ERR_KVM_INVALID_ARGUMENT', message)
  })
})
