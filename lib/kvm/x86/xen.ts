import { KvmError } from '../../errors.js'
import { checkInteger, checkOptions } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_irq_routing_xen_evtchn } from '../generated/common.js'
import {
  kvm_xen_hvm_attr,
  kvm_xen_hvm_config,
  kvm_xen_vcpu_attr,
  KVM_XEN_ATTR_TYPE_EVTCHN,
  KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA,
  KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA,
} from '../generated/x86.js'
import type { Patch } from '../struct.js'
import type { VmInside } from '../vm-inside.js'

/** What a VM has for guests made for Xen, on hosts with KVM_CAP_XEN_HVM. */
export interface XenVmCalls {
  /**
   * KVM_XEN_HVM_CONFIG: the MSR by which the guest asks for its hypercall page, and what KVM does of a Xen
   * (KVM_XEN_HVM_CONFIG_*). With KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL hypercalls are `xen` exits.
   */
  xenHvmConfig(config: { msr: number; flags: number }): void
  /** KVM_XEN_HVM_GET_ATTR: KVM_XEN_ATTR_TYPE_*; the member of `u` that belongs to the type is meant. */
  xenHvmGetAttr(type: number): kvm_xen_hvm_attr
  /**
   * KVM_XEN_HVM_SET_ATTR. Those that hold an address or a descriptor of the host (KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA, an event
   * channel to an eventfd) throw `ERR_KVM_UNSUPPORTED`.
   */
  xenHvmSetAttr(attr: Patch<kvm_xen_hvm_attr>): void
  /** KVM_XEN_HVM_EVTCHN_SEND: raises an event channel of the guest. */
  xenHvmEvtchnSend(event: kvm_irq_routing_xen_evtchn): void
}

/** What a vCPU has for guests made for Xen. */
export interface XenVcpuCalls {
  /** KVM_XEN_VCPU_GET_ATTR: KVM_XEN_VCPU_ATTR_TYPE_*; the member of `u` that belongs to the type is meant. */
  xenVcpuGetAttr(type: number): kvm_xen_vcpu_attr
  /** KVM_XEN_VCPU_SET_ATTR. KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA, an address of the host, throws `ERR_KVM_UNSUPPORTED`. */
  xenVcpuSetAttr(attr: Patch<kvm_xen_vcpu_attr>): void
}

/** This process's addresses and descriptors are nothing that JavaScript has. */
function refuse(name: string, instead: string): never {
  throw new KvmError('ERR_KVM_UNSUPPORTED', `${name} takes ${instead}`, { operands: { name } })
}

// Attributes of a later kernel.
const UNKNOWN = 'what this library does not know, and that may be a host address'

const checkType = (type: unknown) => checkInteger('type', type, 0, 0xffff)

export const xenVmCalls: Calls<XenVmCalls, VmInside> = {
  xenHvmConfig({ fd }, config) {
    const { msr, flags, ...blobs } = checkOptions(
      'config',
      config,
      kvm_xen_hvm_config.members.map(({ name }) => name),
    )
    const [blob] = Object.keys(blobs)
    if (blob !== undefined)
      refuse(blob, 'a host address; have hypercalls intercepted (KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL)')
    fd.set('KVM_XEN_HVM_CONFIG', kvm_xen_hvm_config, { msr, flags } as Patch<kvm_xen_hvm_config>, { msr, flags })
  },
  xenHvmGetAttr({ fd }, type) {
    const bytes = kvm_xen_hvm_attr.bytes({ type: checkType(type) })
    fd.ioctl('KVM_XEN_HVM_GET_ATTR', bytes, { type })
    return kvm_xen_hvm_attr.decode(new DataView(bytes.buffer))
  },
  xenHvmSetAttr({ fd }, attr) {
    const bytes = kvm_xen_hvm_attr.bytes(attr)
    // What the kernel will see: reading the caller's object again could give something else.
    const { type, u } = kvm_xen_hvm_attr.decode(new DataView(bytes.buffer))
    if (type === KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA) {
      refuse('KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA', 'a host address; use KVM_XEN_ATTR_TYPE_SHARED_INFO')
    }
    if (type > KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA) refuse(`the attribute ${type}`, UNKNOWN)
    // Without a port the kernel takes the same bytes for a descriptor (kvm_xen_eventfd_assign() in arch/x86/kvm/xen.c).
    const { flags, deliver } = u.evtchn
    if (type === KVM_XEN_ATTR_TYPE_EVTCHN && flags === 0 && deliver.port.port === 0) {
      refuse('evtchn.deliver.eventfd', 'a descriptor of the host; deliver to a port')
    }
    fd.ioctl('KVM_XEN_HVM_SET_ATTR', bytes, { type })
  },
  xenHvmEvtchnSend({ fd }, event) {
    fd.set('KVM_XEN_HVM_EVTCHN_SEND', kvm_irq_routing_xen_evtchn, event, { ...event })
  },
}

export const xenVcpuCalls: Calls<XenVcpuCalls, Execution> = {
  xenVcpuGetAttr(vcpu, type) {
    const bytes = kvm_xen_vcpu_attr.bytes({ type: checkType(type) })
    vcpu.settle()
    vcpu.fd.ioctl('KVM_XEN_VCPU_GET_ATTR', bytes, { type })
    return kvm_xen_vcpu_attr.decode(new DataView(bytes.buffer))
  },
  xenVcpuSetAttr(vcpu, attr) {
    const bytes = kvm_xen_vcpu_attr.bytes(attr)
    const { type } = kvm_xen_vcpu_attr.decode(new DataView(bytes.buffer))
    if (type === KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA) {
      refuse('KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA', 'a host address; use KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO')
    }
    if (type > KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA) refuse(`the attribute ${type}`, UNKNOWN)
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_XEN_VCPU_SET_ATTR', bytes, { type })
    })
  },
}
