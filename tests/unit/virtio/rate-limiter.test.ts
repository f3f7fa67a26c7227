import { expect, test } from 'vitest'
import { RateLimiter, type RateLimits } from '../../../lib/virtio/index.js'
import { expectRefusal } from '../../thrown.js'

const SECOND = 1_000_000_000n

/** A limiter on a clock that the test moves. */
function limiter(limits: RateLimits) {
  let now = 0n
  let timers: { at: bigint; call: () => void }[] = []
  const owner = {}
  const rates = new RateLimiter(limits)
  rates.attach({
    clock: { now: () => now },
    schedule: (delay, call) => {
      const timer = { at: now + delay, call }
      timers.push(timer)
      return () => void (timers = timers.filter((other) => other !== timer))
    },
  })
  const log: string[] = []
  return {
    rates,
    owner,
    log,
    /** 'now', or the name is in the log when it goes. */
    ask: (name: string, bytes = 0, by: object = owner) => {
      const wait = rates.admit(bytes, by)
      if (wait === undefined) return 'now'
      void wait.then((go) => log.push(`${name} ${go ? 'goes' : 'is cancelled'}`))
      return 'later'
    },
    pass: async (time: bigint) => {
      const end = now + time
      for (;;) {
        const due = timers.filter(({ at }) => at <= end).sort((a, b) => Number(a.at - b.at))[0]
        if (due === undefined) break
        timers = timers.filter((timer) => timer !== due)
        now = due.at > now ? due.at : now
        due.call()
      }
      now = end
      await new Promise(setImmediate)
    },
    pending: () => timers.length,
  }
}

test('without limits everything goes at once', () => {
  const { ask } = limiter({})
  for (let count = 0; count < 1000; count++) expect(ask('x', 2 ** 32)).toBe('now')
})

test('a burst goes at once, what follows at the rate, in order', async () => {
  const { ask, pass, log, rates } = limiter({ operations: { perSecond: 10, burst: 2 } })
  expect(['a', 'b', 'c', 'd'].map((name) => ask(name))).toEqual(['now', 'now', 'later', 'later'])
  await pass(SECOND / 10n - 1n)
  expect(log).toEqual([])
  await pass(1n)
  expect(log).toEqual(['c goes'])
  await pass(SECOND / 10n)
  expect(log).toEqual(['c goes', 'd goes'])
  expect(rates.delayed).toBe(2)
})

test('over a long time the rate is kept, whatever the sizes', async () => {
  const { ask, pass, log } = limiter({ bytes: { perSecond: 1_000_000, burst: 1000 } })
  let sent = 0
  for (let index = 0; index < 400; index++) {
    const bytes = 512 * (1 + (index % 40))
    ask('x', bytes)
    sent += bytes
  }
  await pass((BigInt(sent) * SECOND) / 1_000_000n - SECOND / 50n)
  expect(log.length).toBeGreaterThan(390)
  expect(log.length).toBeLessThan(400)
  await pass(SECOND / 50n)
  expect(log.length + 1).toBeGreaterThanOrEqual(400)
})

test('what is larger than the burst goes, and those after it wait for it', async () => {
  const { ask, pass, log } = limiter({ bytes: { perSecond: 1000, burst: 100 } })
  expect(ask('large', 1100)).toBe('now')
  expect(ask('small', 100)).toBe('later')
  await pass(SECOND)
  expect(log).toEqual([])
  await pass(SECOND / 10n)
  expect(log).toEqual(['small goes'])
})

test('both limits hold', async () => {
  const { ask, pass, log } = limiter({
    bytes: { perSecond: 1000, burst: 1000 },
    operations: { perSecond: 1, burst: 5 },
  })
  expect([ask('a', 1000), ask('b', 500)]).toEqual(['now', 'later'])
  await pass(SECOND / 2n)
  expect(log).toEqual(['b goes'])
})

test('new limits count at once for who waits, and give no burst away', async () => {
  const { ask, pass, log, rates } = limiter({ operations: { perSecond: 1, burst: 1 } })
  expect([ask('a'), ask('b'), ask('c')]).toEqual(['now', 'later', 'later'])
  rates.limits = { operations: { perSecond: 1, burst: 1 } }
  await pass(0n)
  expect(log).toEqual([])
  rates.limits = { operations: { perSecond: 100, burst: 1 } }
  await pass(SECOND / 50n)
  expect(log).toEqual(['b goes', 'c goes'])
  expect([ask('d'), ask('e')]).toEqual(['later', 'later'])
  rates.limits = {}
  await pass(0n)
  expect(log).toEqual(['b goes', 'c goes', 'd goes', 'e goes'])
})

test('whoever waits can be let go, and it counts', async () => {
  const { ask, pass, log, rates } = limiter({ operations: { perSecond: 1, burst: 1 } })
  expect([ask('a'), ask('b'), ask('c')]).toEqual(['now', 'later', 'later'])
  rates.release()
  await pass(0n)
  expect(log).toEqual(['b goes', 'c goes'])
  ask('d')
  await pass(2n * SECOND)
  expect(log).toHaveLength(2)
  await pass(SECOND)
  expect(log).toHaveLength(3)
})

test('those of one owner are cancelled, and leave no timer', async () => {
  const { ask, pass, log, rates, owner, pending } = limiter({ operations: { perSecond: 1, burst: 1 } })
  const other = {}
  expect([ask('a'), ask('b'), ask('c', 0, other)]).toEqual(['now', 'later', 'later'])
  rates.cancel(owner)
  await pass(0n)
  expect(log).toEqual(['b is cancelled'])
  await pass(SECOND)
  expect(log).toEqual(['b is cancelled', 'c goes'])
  rates.cancel(other)
  expect(pending()).toBe(0)
})

test.each([
  [{ operations: 0 }],
  [{ bytes: -1 }],
  [{ bytes: 1.5 }],
  [{ bytes: Infinity }],
  [{ bytes: { perSecond: 10, burst: 0 } }],
  [{ bytes: { perSecond: 10, brust: 1 } as never }],
  [{ iops: 10 } as never],
])('wrong limits: %o', (limits) => {
  const { rates } = limiter({ operations: 5 })
  expectRefusal(() => (rates.limits = limits), 'ERR_KVM_INVALID_ARGUMENT')
  expect(rates.limits).toEqual({ operations: 5 })
})
