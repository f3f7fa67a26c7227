import { KvmError } from '../../errors.js'
import { Channel } from '../../snapshot/migration/channel.js'
import { type CheckedMigrateOptions, checkStream } from './options.js'

/** What a target says of a migration: it has the machine; it never will; or it does not know, as one that was started anew. */
export type Answer = 'started' | 'refused' | 'unknown'

/** How many migrations of this process are remembered. */
const MOST = 4096

interface Arrival {
  answer: Answer | undefined
  /** Gives it up. */
  cancel: () => void
}

/** How the migrations ended of which this process is, or was, the target, by their ids. */
class Arrivals {
  readonly #arrivals = new Map<string, Arrival>()

  /** One has begun. False where there is one with this id. */
  begin(id: string, cancel: () => void): boolean {
    if (this.#arrivals.has(id)) return false
    this.#arrivals.set(id, { answer: undefined, cancel })
    for (const [old, { answer }] of this.#arrivals) {
      if (this.#arrivals.size <= MOST) break
      if (answer !== undefined) this.#arrivals.delete(old)
    }
    return true
  }

  /** It has ended so, if nobody has said before that it ended in another way. Returns how it has ended. */
  settle(id: string, answer: Answer): Answer {
    const arrival = this.#arrivals.get(id)
    if (arrival === undefined) return 'unknown'
    return (arrival.answer ??= answer)
  }

  /** Somebody asks: one that is under way is given up, so that the answer stays true. */
  answer(id: string): Answer {
    const arrival = this.#arrivals.get(id)
    if (arrival?.answer === undefined) arrival?.cancel()
    return this.settle(id, 'refused')
  }
}

export const arrivals = new Arrivals()

/** Asks the target, by another stream, whether it has the machine. Rejects with `ERR_KVM_MIGRATION_IN_DOUBT` where that cannot be known. */
export async function ask(id: string, options: CheckedMigrateOptions, cause: unknown): Promise<boolean> {
  const { reconnect, timeout } = options
  if (reconnect === undefined) throw inDoubt(id, cause)
  for (;;) {
    let stream
    try {
      stream = await reconnect()
      checkStream('what reconnect() returns', stream)
    } catch (error) {
      throw inDoubt(id, error)
    }
    const answer = await askOn(new Channel(stream, { timeout }), id)
    if (answer === 'unknown') throw inDoubt(id, cause)
    if (answer !== undefined) return answer === 'started'
  }
}

/** Undefined where this stream brings no answer either. */
async function askOn(channel: Channel, id: string): Promise<Answer | undefined> {
  try {
    await channel.greet()
    await channel.send('ask', Buffer.from(id))
    await channel.checkGreeting()
    const answer = (await channel.expect('answer')).toString('latin1')
    return (['started', 'refused', 'unknown'] as const).find((each) => each === answer)
  } catch {
    return undefined
  } finally {
    await channel.end()
  }
}

function inDoubt(id: string, cause: unknown): KvmError {
  return new KvmError(
    'ERR_KVM_MIGRATION_IN_DOUBT',
    'the stream ended after the target was told to go on, and before it said that it does: the machine stands still here; ' +
      'close() it if the target has it, and resume() it if not',
    { operands: { id }, cause },
  )
}
