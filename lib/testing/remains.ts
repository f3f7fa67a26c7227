import { printable, printableLines } from '../format.js'
import type { PostMortem } from '../inspect/index.js'
import { describeOutcome, type Outcome } from '../machine/index.js'

/** What is left of the guest of a test that has failed. */
export interface Remains {
  /** What the guest had written since the ready point, as much of it as is kept: as it wrote it, escape sequences included. */
  console: string
  /** How the guest ended; absent when it was running. */
  outcome?: Outcome
  /** Absent when there was nothing left to look at: the test had closed the machine. */
  postMortem?: PostMortem
}

const SHOWN_LINES = 40
const SHOWN_FRAMES = 8
const MAX_LINE = 240

const known = new WeakMap<object, Remains>()

/** What is left of the guest, of an error with which {@link WarmGuest.fork} or {@link bootOnce} has rejected; else undefined. */
export function remainsOf(error: unknown): Remains | undefined {
  return typeof error === 'object' && error !== null ? known.get(error) : undefined
}

export function setRemains(error: object, remains: Remains): void {
  known.set(error, remains)
}

/**
 * Has an error say what its guest was doing. It stays the one that was thrown: a test runner knows it, and shows what it has, such as a
 * difference.
 */
export function showRemains(error: unknown, remains: Remains): void {
  if (!(error instanceof Error) || known.has(error)) return
  known.set(error, remains)
  const { message, stack } = error
  const said = `${message}\n\n${describeRemains(remains)}`
  // Where it cannot be changed it stays as it is. The stack has the message in it.
  if (!Reflect.set(error, 'message', said)) return
  if (stack?.includes(message) === true)
    Reflect.set(
      error,
      'stack',
      stack.replace(message, () => said),
    )
}

function describeRemains({ console, outcome, postMortem }: Remains): string {
  const vcpu = postMortem?.vcpus.find(({ id }) => id === postMortem.vcpu)
  const frames = vcpu?.cpu?.stack.slice(0, SHOWN_FRAMES) ?? []
  const lines = lastLines(console)
  return [
    outcome === undefined ? 'The guest was running.' : `How the guest ended: ${describeOutcome(outcome)}`,
    ...frames.map(({ address, symbol, from }) =>
      `  ${from === 'scan' ? '? ' : '  '}${address} ${symbol ?? ''}`.trimEnd(),
    ),
    ...(lines.length === 0 ? ['It has written nothing.'] : ['The last it wrote:', ...printableLines(lines)]),
  ].join('\n')
}

/** The last lines, each not too long. */
export function lastLines(text: string): string[] {
  const end = text.slice(-SHOWN_LINES * MAX_LINE).trimEnd()
  if (end === '') return []
  return end
    .split('\n')
    .slice(-SHOWN_LINES)
    .map((line) => (line.length > MAX_LINE ? `${printable(line.slice(0, MAX_LINE))}…` : line))
}
