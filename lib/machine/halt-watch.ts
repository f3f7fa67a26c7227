import type { Vcpu } from '../kvm/vcpu.js'

// A look takes the vCPUs out of the guest for a moment; an idle guest is not to notice.
const FIRST_MS = 1000
const LONGEST_MS = 16_000

/**
 * Calls `look` after a second in which no vCPU has exited, and, as long as none does, again after 2, 4, 8 and then every 16
 * seconds: the guest computes, or is idle, or has halted for good. What is returned ends it.
 */
export function watchForHalt(vcpus: readonly Vcpu[], look: () => Promise<void>): () => void {
  let [wait, seen, ended] = [FIRST_MS, exitsOf(vcpus), false]
  let timer: NodeJS.Timeout
  const next = () => {
    if (ended) return
    timer = setTimeout(check, wait)
    timer.unref()
  }
  const check = () => {
    const exits = exitsOf(vcpus)
    if (exits !== seen) {
      ;[wait, seen] = [FIRST_MS, exits]
      next()
      return
    }
    wait = Math.min(2 * wait, LONGEST_MS)
    // What it fails with, the next one will, or the run.
    look().then(next, next)
  }
  next()
  return () => {
    ended = true
    clearTimeout(timer)
  }
}

/** How often the guest was left for something of its own; a pause is not. */
function exitsOf(vcpus: readonly Vcpu[]): number {
  let sum = 0
  for (const { stats } of vcpus) {
    if (stats === undefined) continue
    for (const [reason, count] of Object.entries(stats.exits)) if (reason !== 'interrupted') sum += count
    sum += stats.posted
  }
  return sum
}
