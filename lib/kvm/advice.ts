import type { KvmErrorCode } from '../errors.js'
import { lazy } from '../lazy.js'

/** What a refusal of the kernel means, and what to do about it. */
export interface Advice {
  text: string
  /** The error's code, where it has one of its own. */
  code?: KvmErrorCode
}

const waits = (then: string): Advice => ({
  text: `a vCPU may have to wait for a userfault handler, which needs this thread; ${then}`,
  code: 'ERR_KVM_USERFAULT',
})
const NO_LAPIC = 'there is no in-kernel local APIC; call createIrqchip() before createVcpu()'
const NO_NESTING = 'this host gives guests no virtualization of their own (KVM_CAP_NESTED_STATE)'
const NO_HYPERV = 'this host cannot look like Hyper-V (KVM_CAP_HYPERV_CPUID, KVM_CAP_SYS_HYPERV_CPUID)'
const NO_ENCRYPTION = 'this host encrypts no memory of this VM (KVM_CAP_VM_TYPES)'
const NO_PRE_FAULT = 'this host cannot map memory ahead (KVM_CAP_PRE_FAULT_MEMORY); the guest faults on it instead'
const HAS_RINGS = 'the VM has dirty rings in place of the log; use dirtyPages()'
const NO_XEN =
  'this host serves no Xen guests (KVM_CAP_XEN_HVM), xenHvmConfig() was not called, or there is no such attribute'

// By ioctl and errno, as the KVM API documentation and the kernel's code give them.
const advice = lazy((): Record<string, Record<string, Advice>> => ({
  KVM_CREATE_VM: {
    ENOMEM: { text: 'the host has no memory left for another VM' },
    EMFILE: { text: 'this process has no file descriptor left; close VMs, or raise the limit (ulimit -n)' },
    EINVAL: { text: 'this host knows no VM of that type' },
  },
  KVM_CREATE_VCPU: {
    EEXIST: { text: 'the VM has a vCPU with that id already', code: 'ERR_KVM_VCPU_EXISTS' },
    EINVAL: {
      text: 'the host allows no further vCPU, or no such id (KVM_CAP_MAX_VCPUS, KVM_CAP_MAX_VCPU_ID)',
      code: 'ERR_KVM_VCPU_LIMIT',
    },
    EMFILE: { text: 'this process has no file descriptor left; close VMs, or raise the limit (ulimit -n)' },
  },
  KVM_CREATE_IRQCHIP: {
    EEXIST: { text: 'the VM has an in-kernel interrupt controller already' },
    ENODEV: { text: 'on this host it is a device: vm.createDevice(KVM_DEV_TYPE_ARM_VGIC_V3)' },
    EINVAL: { text: 'create it before the first vCPU' },
  },
  KVM_CREATE_PIT2: {
    EEXIST: { text: 'the VM has an in-kernel timer already' },
    ENOENT: { text: 'call createIrqchip() first' },
    EINVAL: { text: 'call createIrqchip() first' },
  },
  KVM_IRQ_LINE: {
    ENXIO: { text: 'the VM has no in-kernel interrupt controller; call createIrqchip() before createVcpu()' },
    EINVAL: { text: 'the interrupt controller has no such GSI' },
  },
  KVM_GET_LAPIC: { EINVAL: { text: NO_LAPIC } },
  KVM_SET_LAPIC: { EINVAL: { text: NO_LAPIC } },
  KVM_SET_MP_STATE: { EINVAL: { text: 'that state needs createIrqchip() before createVcpu()' } },
  KVM_SET_SREGS: {
    EINVAL: { text: 'the control registers contradict each other (CR0, CR4 and EFER), or the APIC base' },
  },
  KVM_SET_XCRS: {
    EINVAL: { text: 'XCR0 has a bit that the vCPU lacks (leaf 0xd of its CPUID), or lacks bit 0 (x87)' },
  },
  KVM_SET_XSAVE: { EINVAL: { text: 'the area has state, or bits of MXCSR, that this host does not have' } },
  KVM_GET_NESTED_STATE: { EINVAL: { text: NO_NESTING } },
  KVM_SET_NESTED_STATE: {
    EINVAL: { text: 'the state contradicts itself or the vCPU, or this host gives guests no virtualization' },
  },
  KVM_SMI: { ENOTTY: { text: 'this host has no system management mode for guests (KVM_CAP_X86_SMM)' } },
  KVM_INTERRUPT: {
    ENXIO: { text: 'the interrupt controller in the kernel does that; use irqLine() or signalMsi()' },
    EEXIST: { text: 'one is pending already; run the guest until it has taken it' },
  },
  KVM_SET_TSC_KHZ: { EINVAL: { text: 'this host runs no time stamp counter at that speed (KVM_CAP_TSC_CONTROL)' } },
  KVM_GET_SUPPORTED_HV_CPUID: {
    EINVAL: { text: NO_HYPERV },
    ENOTTY: { text: NO_HYPERV },
  },
  KVM_X86_SETUP_MCE: {
    EINVAL: { text: 'of KVM_CAP_MCE banks at least one, and only what x86GetMceCapSupported() returns' },
  },
  KVM_X86_SET_MCE: { EINVAL: { text: 'the vCPU has no such bank (x86SetupMce()), or the status is not valid' } },
  KVM_SET_VAPIC_ADDR: { EINVAL: { text: NO_LAPIC } },
  KVM_XEN_VCPU_GET_ATTR: { EINVAL: { text: NO_XEN } },
  KVM_XEN_VCPU_SET_ATTR: { EINVAL: { text: NO_XEN } },
  KVM_IRQ_LINE_STATUS: { ENXIO: { text: 'the VM has no in-kernel interrupt controller; call createIrqchip() first' } },
  KVM_GET_NR_MMU_PAGES: { ENOTTY: { text: 'the kernel has this call no longer' } },
  KVM_SET_BOOT_CPU_ID: { EBUSY: { text: 'set it before the first vCPU' } },
  KVM_REINJECT_CONTROL: { ENXIO: { text: 'the VM has no in-kernel timer; call createPit2() first' } },
  KVM_X86_SET_MSR_FILTER: { EINVAL: { text: 'a filter that denies what is in no range needs a range' } },
  KVM_SET_PMU_EVENT_FILTER: { E2BIG: { text: 'the kernel takes at most 300 events' } },
  KVM_MEMORY_ENCRYPT_OP: { ENOTTY: { text: NO_ENCRYPTION } },
  KVM_MEMORY_ENCRYPT_REG_REGION: { ENOTTY: { text: NO_ENCRYPTION } },
  KVM_MEMORY_ENCRYPT_UNREG_REGION: { ENOTTY: { text: NO_ENCRYPTION } },
  KVM_HYPERV_EVENTFD: {
    ENOTTY: { text: 'this host serves no guests made for Hyper-V (KVM_CAP_HYPERV_EVENTFD)' },
    EEXIST: { text: 'the connection has a listener already' },
  },
  KVM_XEN_HVM_CONFIG: { EINVAL: { text: NO_XEN }, ENOTTY: { text: NO_XEN } },
  KVM_XEN_HVM_GET_ATTR: { EINVAL: { text: NO_XEN }, ENOTTY: { text: NO_XEN } },
  KVM_XEN_HVM_SET_ATTR: { EINVAL: { text: NO_XEN }, ENOTTY: { text: NO_XEN } },
  KVM_XEN_HVM_EVTCHN_SEND: { EINVAL: { text: NO_XEN }, ENOTTY: { text: NO_XEN } },
  KVM_SET_CPUID2: {
    EINVAL: { text: 'the entries contradict each other, or the vCPU has run already' },
    E2BIG: { text: 'the kernel takes no list that long' },
  },
  KVM_SET_TSS_ADDR: { EINVAL: { text: 'the address and the two pages after it must lie below 4 GiB' } },
  KVM_SET_IDENTITY_MAP_ADDR: { EINVAL: { text: 'set it before the first vCPU' } },
  KVM_SET_USER_MEMORY_REGION: {
    EEXIST: {
      text: 'the region overlaps another one, or the three pages of setTssAddr() or the one of setIdentityMapAddr()',
      code: 'ERR_KVM_MEMORY_OVERLAP',
    },
    EINVAL: { text: 'the address, the size or a flag is not supported by this host' },
    ENOMEM: { text: 'the host has no memory left for the tables of that region', code: 'ERR_KVM_OUT_OF_MEMORY' },
    EDEADLK: waits('stop the vCPUs, or close the userfault, first'),
  },
  KVM_GET_DIRTY_LOG: { ENOENT: { text: 'the region was added without logDirtyPages' }, ENXIO: { text: HAS_RINGS } },
  KVM_CLEAR_DIRTY_LOG: {
    ENOENT: { text: 'the region was added without logDirtyPages' },
    ENXIO: { text: HAS_RINGS },
    EINVAL: { text: "enable it first: vm.enableCap('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', 1)" },
  },
  KVM_ENABLE_CAP: {
    EINVAL: {
      text:
        'the host does not have the capability (check()) or not these arguments, it is one of the other kind of handle (VM,' +
        ' vCPU), or it comes too late: most belong before the first vCPU',
    },
    EEXIST: { text: 'it comes too late: the VM has an interrupt controller, or a vCPU, already' },
    EBUSY: { text: 'it comes too late: the VM has memory, or a vCPU, already' },
  },
  KVM_CREATE_DEVICE: {
    ENODEV: { text: 'this host has no device of that type (hasDevice())' },
    EEXIST: { text: 'the VM has a device of that type already' },
  },
  KVM_PRE_FAULT_MEMORY: {
    EOPNOTSUPP: { text: NO_PRE_FAULT },
    ENOTTY: { text: NO_PRE_FAULT },
    ENOENT: { text: 'the VM has no memory at that address; call addMemory() first' },
    ENOSPC: { text: 'the VM has no memory; call addMemory() first' },
    EINVAL: { text: 'address and size must be whole pages' },
  },
  KVM_SET_MEMORY_ATTRIBUTES: {
    ENOTTY: { text: 'this VM has no private memory (KVM_CAP_MEMORY_ATTRIBUTES); another type of VM may' },
    EINVAL: {
      text: 'address and size must be whole pages, and the attributes among those that KVM_CAP_MEMORY_ATTRIBUTES returns',
    },
  },
  KVM_IOEVENTFD: {
    EDEADLK: waits('stop the vCPUs, or close the userfault, first'),
    EEXIST: { text: 'there is a doorbell for such a write already' },
    ENOSPC: { text: 'the kernel takes no further doorbell' },
  },
  KVM_IRQFD: {
    EBUSY: { text: 'that eventfd is on a line already' },
    EAGAIN: { text: 'the VM has no in-kernel interrupt controller; call createIrqchip() first' },
    EINVAL: { text: 'the VM has no in-kernel interrupt controller (call createIrqchip() first), or no such GSI' },
  },
  KVM_SET_GSI_ROUTING: {
    EINVAL: {
      text:
        'there is no in-kernel irqchip (createIrqchip()), it has no such pin, the GSI or the number of routes is beyond' +
        ' KVM_CAP_IRQ_ROUTING, or a GSI has more than one pin of each controller or one message',
    },
  },
  KVM_SIGNAL_MSI: { ENXIO: { text: 'the VM has no in-kernel interrupt controller; call createIrqchip() first' } },
  KVM_RUN: {
    EDEADLK: waits('run the guest on a thread of its own, vcpu.start()'),
    EFAULT: { text: 'the guest touched memory that this process can no longer give it' },
    ENOEXEC: { text: 'the vCPU has not been initialised (arm64: KVM_ARM_VCPU_INIT)' },
    EPERM: { text: 'another process created this VM; only that one may run it' },
    EIO: { text: 'another process created this VM, or the VM is beyond use' },
  },
}))

/** What to tell the user about a refused ioctl; undefined when there is nothing to add. */
export function adviceFor(ioctl: string, errno: string): Advice | undefined {
  const known = advice()[ioctl.replace('REGION2', 'REGION')]?.[errno]
  return known ?? (errno === 'EDEADLK' ? waits('close the userfault, or do this before it is opened') : undefined)
}
