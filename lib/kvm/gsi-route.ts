import { checkInteger, checkOneOf, checkOptions } from '../validate.js'
import {
  KVM_IRQ_ROUTING_HV_SINT,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_IRQ_ROUTING_XEN_EVTCHN,
  KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
  kvm_irq_routing_entry,
} from './generated/common.js'
import { IRQCHIPS } from './irqchip.js'
import { type Msi, MSI_MEMBERS, msiWords } from './msi.js'
import type { Patch } from './struct.js'

/** What a GSI leads to (KVM API, KVM_SET_GSI_ROUTING). */
export type GsiTarget =
  /** A pin of an interrupt controller in the kernel. On arm64 that is the GIC, `vgic`, and the pin counts its SPIs from 0. */
  | { type: 'irqchip'; irqchip: 'pic-master' | 'pic-slave' | 'ioapic' | 'vgic'; pin: number }
  /** A message. */
  | ({ type: 'msi' } & Msi)
  /** x86: an interrupt source of Hyper-V's synthetic controller (KVM_CAP_HYPERV_SYNIC); `vcpu` is its index for Hyper-V. */
  | { type: 'hv-sint'; vcpu: number; sint: number }
  /** x86: an event channel of a Xen guest (KVM_CAP_XEN_HVM, with KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL); `vcpu` is the vCPU's id. */
  | { type: 'xen-evtchn'; vcpu: number; port: number }

/** One GSI and one of its targets, struct kvm_irq_routing_entry. Several of one GSI lead to a pin of each controller. */
export type GsiRoute = { gsi: number } & GsiTarget

type Members = Record<string, unknown>
interface Kind {
  members: readonly string[]
  entry: (target: Members) => Patch<kvm_irq_routing_entry>
}

const MAX_UINT32 = 0xffff_ffff
const number = (target: Members, member: string) => checkInteger(`route.${member}`, target[member], 0, MAX_UINT32)

// In the order of the kernel's numbers.
const CHIPS: readonly string[] = process.arch === 'arm64' ? ['vgic'] : IRQCHIPS

const KINDS: Record<GsiTarget['type'], Kind> = {
  irqchip: {
    members: ['irqchip', 'pin'],
    entry(target) {
      const irqchip = CHIPS.indexOf(checkOneOf('route.irqchip', target['irqchip'], CHIPS))
      return { type: KVM_IRQ_ROUTING_IRQCHIP, u: { irqchip: { irqchip, pin: number(target, 'pin') } } }
    },
  },
  msi: {
    members: MSI_MEMBERS,
    entry(target) {
      const { flags, ...msi } = msiWords('route', target)
      return { type: KVM_IRQ_ROUTING_MSI, flags, u: { msi } }
    },
  },
  'hv-sint': {
    members: ['vcpu', 'sint'],
    entry: (target) => ({
      type: KVM_IRQ_ROUTING_HV_SINT,
      u: { hv_sint: { vcpu: number(target, 'vcpu'), sint: number(target, 'sint') } },
    }),
  },
  'xen-evtchn': {
    members: ['vcpu', 'port'],
    entry: (target) => ({
      type: KVM_IRQ_ROUTING_XEN_EVTCHN,
      u: {
        xen_evtchn: {
          vcpu: number(target, 'vcpu'),
          port: number(target, 'port'),
          // The kernel knows no other.
          priority: KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
        },
      },
    }),
  },
}

const TYPES = Object.keys(KINDS) as GsiTarget['type'][]
const TARGET_MEMBERS = ['type', ...new Set(TYPES.flatMap((type) => KINDS[type].members))]
const ROUTE_MEMBERS = ['gsi', ...TARGET_MEMBERS]

/** A target that was checked, and what KVM is told of it. */
export interface Encoded {
  readonly target: GsiTarget
  readonly bytes: Uint8Array
}

export function encodeTarget(gsi: number, given: unknown): Encoded {
  const target = { ...checkOptions('route', given, TARGET_MEMBERS) }
  const { members, entry } = KINDS[checkOneOf('route.type', target['type'], TYPES)]
  checkOptions('route', target, ['type', ...members])
  const bytes = kvm_irq_routing_entry.bytes({ gsi, ...entry(target) })
  return { target: Object.freeze(target) as unknown as GsiTarget, bytes }
}

export function checkGsi(name: string, gsi: unknown): number {
  return checkInteger(name, gsi, 0, MAX_UINT32)
}

export function encodeRoute(given: unknown): [gsi: number, Encoded] {
  const { gsi: number, ...target } = checkOptions('route', given, ROUTE_MEMBERS)
  const gsi = checkGsi('route.gsi', number)
  return [gsi, encodeTarget(gsi, target)]
}
