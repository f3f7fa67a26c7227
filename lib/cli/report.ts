import type { PostMortem } from '../inspect/index.js'
import { describeOutcome, type Outcome } from '../machine/index.js'
import { toJson } from './json.js'
import type { EndingSignal } from './signals.js'

/** What is loaded only when there is a guest that is unwell. */
export const inspection = () => import('../inspect/index.js')

/** What the command has dropped, because nobody read it in time. */
export interface Dropped {
  bytes: number
  lines: number
}

export interface RunReport {
  outcome: Outcome
  /** What each has done. */
  vcpus: object[]
  /** How many bytes of the guest's output never came out of its serial line. */
  lost: number
  postMortem: PostMortem | undefined
  /** By which the guest was ended. */
  signal: EndingSignal | undefined
}

/** What is said when the guest has ended: undefined after a power-off of which all was read. */
export async function formatReport(report: RunReport, dropped: Dropped, json: boolean): Promise<string | undefined> {
  const { outcome, vcpus, postMortem, signal } = report
  if (json) {
    const all = dropped.bytes + dropped.lines > 0 ? { dropped } : {}
    return toJson({
      ...outcome,
      ...(signal === undefined ? {} : { signal }),
      vcpus,
      ...(postMortem && { postMortem }),
      ...all,
    })
  }
  const lines = formatDropped(dropped)
  if (postMortem !== undefined) lines.push(`node-kvm: ${(await inspection()).formatPostMortem(postMortem)}`)
  else if (signal !== undefined) lines.push(`node-kvm: ended by ${signal}`)
  else if (outcome.kind !== 'power-off') lines.push(`node-kvm: ${describeOutcome(outcome)}`)
  return lines.length === 0 ? undefined : `\n${lines.join('\n')}`
}

function formatDropped({ bytes, lines }: Dropped): string[] {
  const what = [
    ...(bytes > 0 ? [`${bytes} bytes of the guest's output`] : []),
    ...(lines > 0 ? [`${lines} lines`] : []),
  ]
  return what.length === 0 ? [] : [`node-kvm: not read in time, and dropped: ${what.join(' and ')}`]
}
