import { checkBoolean, checkInteger, checkList, checkOneOf, checkOptions, checkUint64 } from '../../validate.js'
import type { Fd } from '../fd.js'
import { KVM_PMU_EVENT_ALLOW, KVM_PMU_EVENT_DENY } from '../generated/common.js'
import { kvm_pmu_event_filter, KVM_PMU_EVENT_FLAG_MASKED_EVENTS } from '../generated/x86.js'

/** What guests may count, vm.setPmuEventFilter(). */
export interface PmuEventFilter {
  /** Whether the events of the list are those that guests may count, or those that they may not. */
  action: 'allow' | 'deny'
  /** At most 300: event select and unit mask as in an event select register, or masked entries (KVM_PMU_MASKED_ENTRY_*). */
  events: Iterable<bigint>
  /** Fixed counters, a bit each; none unless given. */
  fixedCounters?: number
  /** Whether `events` are masked entries (KVM_CAP_PMU_EVENT_MASKED_EVENTS); false unless given. */
  masked?: boolean
}

export function setPmuEventFilter(fd: Fd, filter: PmuEventFilter): void {
  const options = checkOptions('filter', filter, ['action', 'events', 'fixedCounters', 'masked'])
  const action = checkOneOf('action', options['action'], ['allow', 'deny'])
  const events = checkList('events', filter.events, 'events').map((event) => checkUint64('event', event))
  const header = kvm_pmu_event_filter.bytes({
    action: action === 'allow' ? KVM_PMU_EVENT_ALLOW : KVM_PMU_EVENT_DENY,
    nevents: events.length,
    fixed_counter_bitmap: checkInteger('fixedCounters', options['fixedCounters'] ?? 0, 0, 0xffff_ffff),
    flags: checkBoolean('masked', options['masked'] ?? false) ? KVM_PMU_EVENT_FLAG_MASKED_EVENTS : 0,
  })
  const bytes = new Uint8Array(header.length + events.length * 8)
  bytes.set(header)
  const data = new DataView(bytes.buffer)
  for (const [index, event] of events.entries()) data.setBigUint64(header.length + index * 8, event, true)
  fd.ioctl('KVM_SET_PMU_EVENT_FILTER', bytes, { action, events: events.length })
}
