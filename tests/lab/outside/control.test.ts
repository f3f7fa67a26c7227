// What an init says on its control port, without a machine.
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

interface Control {
  followControl: (
    control: PassThrough,
    streams: readonly PassThrough[],
    closed: Promise<void>,
    wake?: () => void,
  ) => { ready: Promise<void>; status: Promise<number> }
}
const { followControl } = (await import(
  new URL('../../../scripts/lab/control.mjs', import.meta.url).href
)) as unknown as Control

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const never = new Promise<void>(() => undefined)
const turn = () => new Promise((resolve) => setImmediate(resolve))
/** Says a line, in two pieces. */
async function say(control: PassThrough, line: string) {
  control.write(line.slice(0, 2))
  await turn()
  control.write(`${line.slice(2)}\n`)
  await turn()
}

test('the status comes when all of the output has', async () => {
  const control = new PassThrough()
  const streams = [new PassThrough(), new PassThrough()]
  const { ready, status } = followControl(control, streams, never)
  await say(control, 'ready')
  await ready
  let known: number | undefined
  void status.then((value) => (known = value))
  await say(control, 'exit 3 2 1')
  streams[0]!.write('a')
  streams[1]!.write('c')
  await turn()
  expect(known).toBeUndefined()
  streams[0]!.write('b')
  expect(await status).toBe(3)
})

test('a machine that was alive and says nothing for two minutes stands still', async () => {
  const control = new PassThrough()
  const { status } = followControl(control, [], never)
  const failed = expect(status).rejects.toThrow('The machine stands still: nothing has run in it for 120 s.')
  for (let times = 0; times < 3; times++) {
    await say(control, 'alive')
    vi.advanceTimersByTime(119_999)
  }
  vi.advanceTimersByTime(1)
  await failed
})

test('before that it is woken, and goes on', async () => {
  const control = new PassThrough()
  let woken = 0
  const { status } = followControl(control, [], never, () => {
    woken++
  })
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  await say(control, 'alive')
  vi.advanceTimersByTime(9_999)
  expect(woken).toBe(0)
  vi.advanceTimersByTime(10_001)
  expect(woken).toBe(2)
  await say(control, 'alive')
  expect(said.mock.calls).toEqual([['lab: the machine had stood still for 20 s; it was woken\n']])
  said.mockRestore()
  vi.advanceTimersByTime(119_999)
  await say(control, 'exit 0')
  expect(await status).toBe(0)
  vi.advanceTimersByTime(10_000_000)
})

test('one that never says that it is alive, or has said how its command ended, does not', async () => {
  const control = new PassThrough()
  const { status } = followControl(control, [], never)
  await say(control, 'ready')
  vi.advanceTimersByTime(10_000_000)
  await say(control, 'exit 0')
  expect(await status).toBe(0)
})

test('a process that was stopped meanwhile hears first what has come', async () => {
  const control = new PassThrough()
  const { status } = followControl(control, [], never)
  await say(control, 'alive')
  vi.advanceTimersByTime(60_000)
  await say(control, 'alive')
  vi.advanceTimersByTime(60_000)
  await say(control, 'exit 0')
  expect(await status).toBe(0)
})
