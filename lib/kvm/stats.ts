import { binding, type NativeVcpuRun } from './binding.js'
import type { ExitReason } from './exits.js'
import { EXIT_REASONS } from './generated/exits.js'
import { lazy } from '../lazy.js'
import { plainExits } from './plain-exits.js'

/** What a vCPU's thread has done since it was started. */
export interface VcpuStats {
  /** Exits from the guest by reason, those included that were answered natively. Writes that the kernel gathered are none. */
  exits: Partial<Record<ExitReason, number>>
  /** Writes that were posted. Those that the kernel gathered count for the vCPU whose thread took them. */
  posted: number
  /** Reads that were answered from a latch. */
  latched: number
  /** Times that JavaScript had to answer before the guest ran on. */
  delivered: number
  /** Times that the event loop had to be woken for it. */
  notified: number
  /** Times that the thread went to sleep until it was answered. */
  slept: number
  /** Milliseconds in the guest, natively answered exits included. */
  guestTime: number
  /** Milliseconds waiting for JavaScript's answers. */
  handlerTime: number
}

const { reasons: REASON_COUNT } = binding.threadPage

const REASONS = lazy(
  () =>
    new Map<number, ExitReason>([
      [EXIT_REASONS.KVM_EXIT_UNKNOWN, 'unknown'],
      [EXIT_REASONS.KVM_EXIT_IO, 'io'],
      [EXIT_REASONS.KVM_EXIT_MMIO, 'mmio'],
      [EXIT_REASONS.KVM_EXIT_HLT, 'hlt'],
      [EXIT_REASONS.KVM_EXIT_INTR, 'interrupted'],
      [EXIT_REASONS.KVM_EXIT_INTERNAL_ERROR, 'internal-error'],
      [EXIT_REASONS.KVM_EXIT_SYSTEM_EVENT, 'system-event'],
      [EXIT_REASONS.KVM_EXIT_HYPERV, 'hyperv'],
      [EXIT_REASONS.KVM_EXIT_LOONGARCH_IOCSR, 'loongarch-iocsr'],
      ...plainExits().map(([number, { reason }]) => [number, reason] as const),
    ]),
)

/** Reads the counters, undefined when there never was a thread: struct ThreadStats of native/vcpu_thread.h. */
export function readStats(native: NativeVcpuRun): VcpuStats | undefined {
  const counters = native.stats()
  if (counters.length === 0) return undefined
  const exits: VcpuStats['exits'] = {}
  for (const [number, count] of counters.subarray(0, REASON_COUNT).entries()) {
    const reason = REASONS().get(number) ?? 'unknown'
    if (count !== 0) exits[reason] = (exits[reason] ?? 0) + count
  }
  const [posted = 0, latched = 0, delivered = 0, notified = 0, slept = 0, guest = 0, handler = 0] =
    counters.subarray(REASON_COUNT)
  return { exits, posted, latched, delivered, notified, slept, guestTime: guest / 1e6, handlerTime: handler / 1e6 }
}
