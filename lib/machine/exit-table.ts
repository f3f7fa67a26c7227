import { describeExit } from '../kvm/describe-exit.js'
import type { Exit } from '../kvm/exits.js'
import type { Vcpu } from '../kvm/vcpu.js'
import { invalidArgument } from '../validate.js'

export type ExitReason = Exit['reason']

/** What a machine does for an exit. The vCPU runs on when it returns, or when its promise resolves. */
export type ExitAnswer<Reason extends ExitReason = ExitReason> = (
  exit: Extract<Exit, { reason: Reason }>,
  vcpu: Vcpu,
) => void | Promise<void>

/** For each reason to leave the guest, what is to be done. */
export class ExitTable {
  readonly #answers = new Map<string, ExitAnswer>()
  readonly #otherwise: ExitAnswer

  /** `otherwise`: for reasons that nobody has an answer for. */
  constructor(otherwise: ExitAnswer) {
    this.#otherwise = otherwise
  }

  /** From now on that is done. Returns what brings back what was done before. */
  set<Reason extends ExitReason>(reason: Reason, answer: ExitAnswer<Reason>): () => void {
    if (typeof reason !== 'string' || reason === ('' as string))
      throw invalidArgument('reason', reason, 'the reason of an exit')
    if (typeof answer !== 'function') throw invalidArgument('answer', answer, 'a function')
    const before = this.#answers.get(reason)
    const set = answer as unknown as ExitAnswer
    this.#answers.set(reason, set)
    return () => {
      if (this.#answers.get(reason) !== set) return
      if (before === undefined) this.#answers.delete(reason)
      else this.#answers.set(reason, before)
    }
  }

  answer(exit: Exit, vcpu: Vcpu): void | Promise<void> {
    return (this.#answers.get(exit.reason) ?? this.#otherwise)(exit, vcpu)
  }
}

/** An exit that KVM cannot go on after, for messages. */
export function cannotGoOn(exit: Exit): { kind: 'kvm-error'; exit: string; instruction?: Uint8Array } {
  const instruction = exit.reason === 'internal-error' ? exit.instruction : undefined
  return { kind: 'kvm-error', exit: describeExit(exit), ...(instruction === undefined ? {} : { instruction }) }
}
