import { setImmediate } from 'node:timers/promises'

/** How often others on the event loop have their turn until that is done. */
export async function turnsDuring(act: () => unknown): Promise<number> {
  const state = { isOver: false }
  const done = Promise.resolve(act()).finally(() => (state.isOver = true))
  let turns = 0
  for (; !state.isOver; turns++) await setImmediate()
  await done
  return turns
}
