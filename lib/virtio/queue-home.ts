import type { QueueEvents, ServedQueue } from './queue-server.js'
import type { TurnBudget } from './turn-budget.js'

/** What a queue has of its transport. */
export interface QueueHome {
  /** What all queues of the device do in a turn of the event loop. */
  readonly budget: TurnBudget
  /** The driver is to look at what has been given back. */
  interrupt(): void
  /** The driver has broken a rule, or the device an assumption of its own: the device cannot go on. */
  fail(error: unknown): void
  /** From now on doorbell and interrupts are these events; or they are JavaScript's again. */
  delegated(events: QueueEvents | undefined): void
}

/** Where a queue is, for who serves it in place of JavaScript. */
export type QueuePlace = Pick<ServedQueue, 'addresses' | 'features' | 'memory'>
