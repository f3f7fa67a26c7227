// Written by `npm run uapi` from the headers of Linux 7.2.13.

import { Struct } from '../struct.js'
import { kvm_exit_snp_req_certs, kvm_hyperv_exit, kvm_xen_exit } from './common.js'

export const KVM_APIC_REG_SIZE = 1024
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 2
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1
export const KVM_CPUID_FLAG_STATEFUL_FUNC = 2
export const KVM_CPUID_FLAG_STATE_READ_NEXT = 4
export const KVM_EXIT_HYPERCALL_LONG_MODE = 1
export const KVM_GUESTDBG_BLOCKIRQ = 1048576
export const KVM_GUESTDBG_INJECT_BP = 524288
export const KVM_GUESTDBG_INJECT_DB = 262144
export const KVM_GUESTDBG_USE_HW_BP = 131072
export const KVM_HYPERV_CONN_ID_MASK = 16777215
export const KVM_HYPERV_EVENTFD_DEASSIGN = 1
export const KVM_IOAPIC_NUM_PINS = 24
export const KVM_IRQCHIP_IOAPIC = 2
export const KVM_IRQCHIP_PIC_MASTER = 0
export const KVM_IRQCHIP_PIC_SLAVE = 1
export const KVM_MAX_XCRS = 16
export const KVM_MSR_FILTER_DEFAULT_ALLOW = 0
export const KVM_MSR_FILTER_DEFAULT_DENY = 1
export const KVM_MSR_FILTER_MAX_BITMAP_SIZE = 1536
export const KVM_MSR_FILTER_MAX_RANGES = 16
export const KVM_MSR_FILTER_RANGE_VALID_MASK = 3
export const KVM_MSR_FILTER_READ = 1
export const KVM_MSR_FILTER_VALID_MASK = 1
export const KVM_MSR_FILTER_WRITE = 2
export const KVM_NR_INTERRUPTS = 256
export const KVM_NR_IRQCHIPS = 3
export const KVM_PIO_PAGE_OFFSET = 1
export const KVM_PIT_FLAGS_HPET_LEGACY = 1
export const KVM_PIT_FLAGS_SPEAKER_DATA_ON = 2
export const KVM_PMU_EVENT_FLAGS_VALID_MASK = 1
export const KVM_PMU_EVENT_FLAG_MASKED_EVENTS = 1
export const KVM_PMU_MASKED_ENTRY_EVENT_SELECT = 64424509695
export const KVM_PMU_MASKED_ENTRY_EXCLUDE = 0x80000000000000n
export const KVM_PMU_MASKED_ENTRY_UMASK_MASK = 0xff00000000000000n
export const KVM_PMU_MASKED_ENTRY_UMASK_MASK_SHIFT = 56
export const KVM_PMU_MASKED_ENTRY_UMASK_MATCH = 65280
export const KVM_REG_GUEST_SSP = 0
export const KVM_RUN_X86_BUS_LOCK = 2
export const KVM_RUN_X86_GUEST_MODE = 4
export const KVM_RUN_X86_SMM = 1
export const KVM_SEV_CERT_EXPORT = 19
export const KVM_SEV_DBG_DECRYPT = 17
export const KVM_SEV_DBG_ENCRYPT = 18
export const KVM_SEV_ES_INIT = 1
export const KVM_SEV_GET_ATTESTATION_REPORT = 20
export const KVM_SEV_GUEST_STATUS = 16
export const KVM_SEV_INIT = 0
export const KVM_SEV_INIT2 = 22
export const KVM_SEV_LAUNCH_FINISH = 7
export const KVM_SEV_LAUNCH_MEASURE = 6
export const KVM_SEV_LAUNCH_SECRET = 5
export const KVM_SEV_LAUNCH_START = 2
export const KVM_SEV_LAUNCH_UPDATE_DATA = 3
export const KVM_SEV_LAUNCH_UPDATE_VMSA = 4
export const KVM_SEV_NR_MAX = 104
export const KVM_SEV_PAGE_TYPE_INVALID = 0
export const KVM_SEV_RECEIVE_FINISH = 15
export const KVM_SEV_RECEIVE_START = 12
export const KVM_SEV_RECEIVE_UPDATE_DATA = 13
export const KVM_SEV_RECEIVE_UPDATE_VMSA = 14
export const KVM_SEV_SEND_CANCEL = 21
export const KVM_SEV_SEND_FINISH = 11
export const KVM_SEV_SEND_START = 8
export const KVM_SEV_SEND_UPDATE_DATA = 9
export const KVM_SEV_SEND_UPDATE_VMSA = 10
export const KVM_SEV_SNP_ENABLE_REQ_CERTS = 103
export const KVM_SEV_SNP_FINISH_DATA_SIZE = 32
export const KVM_SEV_SNP_ID_AUTH_SIZE = 4096
export const KVM_SEV_SNP_ID_BLOCK_SIZE = 96
export const KVM_SEV_SNP_LAUNCH_FINISH = 102
export const KVM_SEV_SNP_LAUNCH_START = 100
export const KVM_SEV_SNP_LAUNCH_UPDATE = 101
export const KVM_SEV_SNP_PAGE_TYPE_CPUID = 6
export const KVM_SEV_SNP_PAGE_TYPE_NORMAL = 1
export const KVM_SEV_SNP_PAGE_TYPE_SECRETS = 5
export const KVM_SEV_SNP_PAGE_TYPE_UNMEASURED = 4
export const KVM_SEV_SNP_PAGE_TYPE_ZERO = 3
export const KVM_SREGS2_FLAGS_PDPTRS_VALID = 1
export const KVM_STATE_NESTED_EVMCS = 4
export const KVM_STATE_NESTED_FORMAT_SVM = 1
export const KVM_STATE_NESTED_FORMAT_VMX = 0
export const KVM_STATE_NESTED_GIF_SET = 256
export const KVM_STATE_NESTED_GUEST_MODE = 1
export const KVM_STATE_NESTED_MTF_PENDING = 8
export const KVM_STATE_NESTED_RUN_PENDING = 2
export const KVM_STATE_NESTED_SMM_GUEST_MODE = 1
export const KVM_STATE_NESTED_SMM_VMXON = 2
export const KVM_STATE_NESTED_SVM_VMCB_SIZE = 4096
export const KVM_STATE_NESTED_VMX_VMCS_SIZE = 4096
export const KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE = 1
export const KVM_SYNC_X86_EVENTS = 4
export const KVM_SYNC_X86_REGS = 1
export const KVM_SYNC_X86_SREGS = 2
export const KVM_SYNC_X86_VALID_FIELDS = 7
export const KVM_TDX_CAPABILITIES = 0
export const KVM_TDX_CMD_NR_MAX = 6
export const KVM_TDX_FINALIZE_VM = 4
export const KVM_TDX_GET_CPUID = 5
export const KVM_TDX_INIT_MEM_REGION = 3
export const KVM_TDX_INIT_VCPU = 2
export const KVM_TDX_INIT_VM = 1
export const KVM_TDX_MEASURE_MEMORY_REGION = 1
export const KVM_VCPUEVENT_VALID_NMI_PENDING = 1
export const KVM_VCPUEVENT_VALID_PAYLOAD = 16
export const KVM_VCPUEVENT_VALID_SHADOW = 4
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 2
export const KVM_VCPUEVENT_VALID_SMM = 8
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 32
export const KVM_VCPU_TSC_CTRL = 0
export const KVM_VCPU_TSC_OFFSET = 0
export const KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK = 2
export const KVM_X2APIC_API_USE_32BIT_IDS = 1
export const KVM_X2APIC_DISABLE_SUPPRESS_EOI_BROADCAST = 8
export const KVM_X2APIC_ENABLE_SUPPRESS_EOI_BROADCAST = 4
export const KVM_X86_DEFAULT_VM = 0
export const KVM_X86_GRP_SEV = 1
export const KVM_X86_GRP_SYSTEM = 0
export const KVM_X86_QUIRK_CD_NW_CLEARED = 2
export const KVM_X86_QUIRK_FIX_HYPERCALL_INSN = 32
export const KVM_X86_QUIRK_IGNORE_GUEST_PAT = 512
export const KVM_X86_QUIRK_LAPIC_MMIO_HOLE = 4
export const KVM_X86_QUIRK_LINT0_REENABLED = 1
export const KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT = 16
export const KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS = 64
export const KVM_X86_QUIRK_NESTED_SVM_SHARED_PAT = 2048
export const KVM_X86_QUIRK_OUT_7E_INC_RIP = 8
export const KVM_X86_QUIRK_SLOT_ZAP_ALL = 128
export const KVM_X86_QUIRK_STUFF_FEATURE_MSRS = 256
export const KVM_X86_QUIRK_VMCS12_ALLOW_FREEZE_IN_SMM = 1024
export const KVM_X86_REG_TYPE_KVM = 3
export const KVM_X86_REG_TYPE_MSR = 2
export const KVM_X86_SEV_ES_VM = 3
export const KVM_X86_SEV_SNP_REQ_CERTS = 2
export const KVM_X86_SEV_VM = 2
export const KVM_X86_SEV_VMSA_FEATURES = 0
export const KVM_X86_SHADOW_INT_MOV_SS = 1
export const KVM_X86_SHADOW_INT_STI = 2
export const KVM_X86_SNP_POLICY_BITS = 1
export const KVM_X86_SNP_VM = 4
export const KVM_X86_SW_PROTECTED_VM = 1
export const KVM_X86_TDX_VM = 5
export const KVM_X86_XCOMP_GUEST_SUPP = 0
export const KVM_XEN_ATTR_TYPE_EVTCHN = 3
export const KVM_XEN_ATTR_TYPE_LONG_MODE = 0
export const KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG = 5
export const KVM_XEN_ATTR_TYPE_SHARED_INFO = 1
export const KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA = 6
export const KVM_XEN_ATTR_TYPE_UPCALL_VECTOR = 2
export const KVM_XEN_ATTR_TYPE_XEN_VERSION = 4
export const KVM_XEN_EVTCHN_DEASSIGN = 1
export const KVM_XEN_EVTCHN_RESET = 4
export const KVM_XEN_EVTCHN_UPDATE = 2
export const KVM_XEN_HVM_CONFIG_EVTCHN_2LEVEL = 16
export const KVM_XEN_HVM_CONFIG_EVTCHN_SEND = 32
export const KVM_XEN_HVM_CONFIG_HYPERCALL_MSR = 1
export const KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL = 2
export const KVM_XEN_HVM_CONFIG_PVCLOCK_TSC_UNSTABLE = 128
export const KVM_XEN_HVM_CONFIG_RUNSTATE = 8
export const KVM_XEN_HVM_CONFIG_RUNSTATE_UPDATE_FLAG = 64
export const KVM_XEN_HVM_CONFIG_SHARED_INFO = 4
export const KVM_XEN_HVM_CONFIG_SHARED_INFO_HVA = 256
export const KVM_XEN_INVALID_GFN = 0xffffffffffffffffn
export const KVM_XEN_INVALID_GPA = 0xffffffffffffffffn
export const KVM_XEN_MSR_MAX_INDEX = 1342177279
export const KVM_XEN_MSR_MIN_INDEX = 1073741824
export const KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADDR = 2
export const KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_ADJUST = 5
export const KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_CURRENT = 3
export const KVM_XEN_VCPU_ATTR_TYPE_RUNSTATE_DATA = 4
export const KVM_XEN_VCPU_ATTR_TYPE_TIMER = 7
export const KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR = 8
export const KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID = 6
export const KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO = 0
export const KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA = 9
export const KVM_XEN_VCPU_ATTR_TYPE_VCPU_TIME_INFO = 1

/** struct kvm_cpuid. */
export interface kvm_cpuid {
  nent: number
}
export const kvm_cpuid = /* @__PURE__ */ new Struct<kvm_cpuid>('kvm_cpuid', 8, 'nent@0:u32')

/** struct kvm_cpuid2. */
export interface kvm_cpuid2 {
  nent: number
}
export const kvm_cpuid2 = /* @__PURE__ */ new Struct<kvm_cpuid2>('kvm_cpuid2', 8, 'nent@0:u32')

/** struct kvm_cpuid_entry. */
export interface kvm_cpuid_entry {
  function: number
  eax: number
  ebx: number
  ecx: number
  edx: number
}
export const kvm_cpuid_entry = /* @__PURE__ */ new Struct<kvm_cpuid_entry>(
  'kvm_cpuid_entry',
  24,
  'function@0:u32 eax@4:u32 ebx@8:u32 ecx@12:u32 edx@16:u32',
)

/** struct kvm_cpuid_entry2. */
export interface kvm_cpuid_entry2 {
  function: number
  index: number
  flags: number
  eax: number
  ebx: number
  ecx: number
  edx: number
}
export const kvm_cpuid_entry2 = /* @__PURE__ */ new Struct<kvm_cpuid_entry2>(
  'kvm_cpuid_entry2',
  40,
  'function@0:u32 index@4:u32 flags@8:u32 eax@12:u32 ebx@16:u32 ecx@20:u32 edx@24:u32',
)

/** struct kvm_debug_exit_arch. */
export interface kvm_debug_exit_arch {
  exception: number
  pc: bigint
  dr6: bigint
  dr7: bigint
}
export const kvm_debug_exit_arch = /* @__PURE__ */ new Struct<kvm_debug_exit_arch>(
  'kvm_debug_exit_arch',
  32,
  'exception@0:u32 pc@8:u64 dr6@16:u64 dr7@24:u64',
)

/** struct kvm_debugregs. */
export interface kvm_debugregs {
  db: bigint[]
  dr6: bigint
  dr7: bigint
  flags: bigint
}
export const kvm_debugregs = /* @__PURE__ */ new Struct<kvm_debugregs>(
  'kvm_debugregs',
  128,
  'db@0:u64[4] dr6@32:u64 dr7@40:u64 flags@48:u64',
)

/** struct kvm_dtable. */
export interface kvm_dtable {
  base: bigint
  limit: number
}
export const kvm_dtable = /* @__PURE__ */ new Struct<kvm_dtable>('kvm_dtable', 16, 'base@0:u64 limit@8:u16')

/** struct kvm_fpu. */
export interface kvm_fpu {
  fpr: Uint8Array
  fcw: number
  fsw: number
  ftwx: number
  last_opcode: number
  last_ip: bigint
  last_dp: bigint
  xmm: Uint8Array
  mxcsr: number
}
export const kvm_fpu = /* @__PURE__ */ new Struct<kvm_fpu>(
  'kvm_fpu',
  416,
  'fpr@0:u8[128] fcw@128:u16 fsw@130:u16 ftwx@132:u8 last_opcode@134:u16 last_ip@136:u64 last_dp@144:u64 xmm@152:u8[256] mxcsr@408:u32',
)

/** struct kvm_guest_debug_arch. */
export interface kvm_guest_debug_arch {
  debugreg: bigint[]
}
export const kvm_guest_debug_arch = /* @__PURE__ */ new Struct<kvm_guest_debug_arch>(
  'kvm_guest_debug_arch',
  64,
  'debugreg@0:u64[8]',
)

/** struct kvm_guest_debug. */
export interface kvm_guest_debug {
  control: number
  arch: kvm_guest_debug_arch
}
export const kvm_guest_debug = /* @__PURE__ */ new Struct<kvm_guest_debug>(
  'kvm_guest_debug',
  72,
  'control@0:u32 arch@8:kvm_guest_debug_arch',
  { kvm_guest_debug_arch },
)

/** struct kvm_hyperv_eventfd. */
export interface kvm_hyperv_eventfd {
  conn_id: number
  fd: number
  flags: number
}
export const kvm_hyperv_eventfd = /* @__PURE__ */ new Struct<kvm_hyperv_eventfd>(
  'kvm_hyperv_eventfd',
  24,
  'conn_id@0:u32 fd@4:s32 flags@8:u32',
)

/** struct kvm_ioapic_state. */
export interface kvm_ioapic_state {
  base_address: bigint
  ioregsel: number
  id: number
  irr: number
  redirtbl: bigint[]
}
export const kvm_ioapic_state = /* @__PURE__ */ new Struct<kvm_ioapic_state>(
  'kvm_ioapic_state',
  216,
  'base_address@0:u64 ioregsel@8:u32 id@12:u32 irr@16:u32 redirtbl@24:u64[24]',
)

/** struct kvm_pic_state. */
export interface kvm_pic_state {
  last_irr: number
  irr: number
  imr: number
  isr: number
  priority_add: number
  irq_base: number
  read_reg_select: number
  poll: number
  special_mask: number
  init_state: number
  auto_eoi: number
  rotate_on_auto_eoi: number
  special_fully_nested_mode: number
  init4: number
  elcr: number
  elcr_mask: number
}
export const kvm_pic_state = /* @__PURE__ */ new Struct<kvm_pic_state>(
  'kvm_pic_state',
  16,
  'last_irr@0:u8 irr@1:u8 imr@2:u8 isr@3:u8 priority_add@4:u8 irq_base@5:u8 read_reg_select@6:u8 poll@7:u8 special_mask@8:u8 init_state@9:u8 auto_eoi@10:u8 rotate_on_auto_eoi@11:u8 special_fully_nested_mode@12:u8 init4@13:u8 elcr@14:u8 elcr_mask@15:u8',
)

/** struct kvm_irqchip. */
export interface kvm_irqchip {
  chip_id: number
  chip: {
    pic: kvm_pic_state
    ioapic: kvm_ioapic_state
  }
}
export const kvm_irqchip = /* @__PURE__ */ new Struct<kvm_irqchip>(
  'kvm_irqchip',
  520,
  'chip_id@0:u32 chip.pic@8:kvm_pic_state chip.ioapic@8:kvm_ioapic_state',
  { kvm_ioapic_state, kvm_pic_state },
)

/** struct kvm_lapic_state. */
export interface kvm_lapic_state {
  regs: Uint8Array
}
export const kvm_lapic_state = /* @__PURE__ */ new Struct<kvm_lapic_state>('kvm_lapic_state', 1024, 'regs@0:u8[1024]')

/** struct kvm_msr_entry. */
export interface kvm_msr_entry {
  index: number
  data: bigint
}
export const kvm_msr_entry = /* @__PURE__ */ new Struct<kvm_msr_entry>('kvm_msr_entry', 16, 'index@0:u32 data@8:u64')

/** struct kvm_msr_filter_range. */
export interface kvm_msr_filter_range {
  flags: number
  nmsrs: number
  base: number
}
export const kvm_msr_filter_range = /* @__PURE__ */ new Struct<kvm_msr_filter_range>(
  'kvm_msr_filter_range',
  24,
  'flags@0:u32 nmsrs@4:u32 base@8:u32',
)

/** struct kvm_msr_filter. */
export interface kvm_msr_filter {
  flags: number
  ranges: kvm_msr_filter_range[]
}
export const kvm_msr_filter = /* @__PURE__ */ new Struct<kvm_msr_filter>(
  'kvm_msr_filter',
  392,
  'flags@0:u32 ranges@8:kvm_msr_filter_range[16]',
  { kvm_msr_filter_range },
)

/** struct kvm_msr_list. */
export interface kvm_msr_list {
  nmsrs: number
}
export const kvm_msr_list = /* @__PURE__ */ new Struct<kvm_msr_list>('kvm_msr_list', 4, 'nmsrs@0:u32')

/** struct kvm_msrs. */
export interface kvm_msrs {
  nmsrs: number
}
export const kvm_msrs = /* @__PURE__ */ new Struct<kvm_msrs>('kvm_msrs', 8, 'nmsrs@0:u32')

/** struct kvm_vmx_nested_state_hdr. */
export interface kvm_vmx_nested_state_hdr {
  vmxon_pa: bigint
  vmcs12_pa: bigint
  smm: {
    flags: number
  }
  flags: number
  preemption_timer_deadline: bigint
}
export const kvm_vmx_nested_state_hdr = /* @__PURE__ */ new Struct<kvm_vmx_nested_state_hdr>(
  'kvm_vmx_nested_state_hdr',
  32,
  'vmxon_pa@0:u64 vmcs12_pa@8:u64 smm.flags@16:u16 flags@20:u32 preemption_timer_deadline@24:u64',
)

/** struct kvm_svm_nested_state_hdr. */
export interface kvm_svm_nested_state_hdr {
  vmcb_pa: bigint
  gpat: bigint
}
export const kvm_svm_nested_state_hdr = /* @__PURE__ */ new Struct<kvm_svm_nested_state_hdr>(
  'kvm_svm_nested_state_hdr',
  16,
  'vmcb_pa@0:u64 gpat@8:u64',
)

/** struct kvm_nested_state. */
export interface kvm_nested_state {
  flags: number
  format: number
  size: number
  hdr: {
    vmx: kvm_vmx_nested_state_hdr
    svm: kvm_svm_nested_state_hdr
  }
}
export const kvm_nested_state = /* @__PURE__ */ new Struct<kvm_nested_state>(
  'kvm_nested_state',
  128,
  'flags@0:u16 format@2:u16 size@4:u32 hdr.vmx@8:kvm_vmx_nested_state_hdr hdr.svm@8:kvm_svm_nested_state_hdr',
  { kvm_svm_nested_state_hdr, kvm_vmx_nested_state_hdr },
)

/** struct kvm_pit_channel_state. */
export interface kvm_pit_channel_state {
  count: number
  latched_count: number
  count_latched: number
  status_latched: number
  status: number
  read_state: number
  write_state: number
  write_latch: number
  rw_mode: number
  mode: number
  bcd: number
  gate: number
  count_load_time: bigint
}
export const kvm_pit_channel_state = /* @__PURE__ */ new Struct<kvm_pit_channel_state>(
  'kvm_pit_channel_state',
  24,
  'count@0:u32 latched_count@4:u16 count_latched@6:u8 status_latched@7:u8 status@8:u8 read_state@9:u8 write_state@10:u8 write_latch@11:u8 rw_mode@12:u8 mode@13:u8 bcd@14:u8 gate@15:u8 count_load_time@16:s64',
)

/** struct kvm_pit_state. */
export interface kvm_pit_state {
  channels: kvm_pit_channel_state[]
}
export const kvm_pit_state = /* @__PURE__ */ new Struct<kvm_pit_state>(
  'kvm_pit_state',
  72,
  'channels@0:kvm_pit_channel_state[3]',
  { kvm_pit_channel_state },
)

/** struct kvm_pit_state2. */
export interface kvm_pit_state2 {
  channels: kvm_pit_channel_state[]
  flags: number
}
export const kvm_pit_state2 = /* @__PURE__ */ new Struct<kvm_pit_state2>(
  'kvm_pit_state2',
  112,
  'channels@0:kvm_pit_channel_state[3] flags@72:u32',
  { kvm_pit_channel_state },
)

/** struct kvm_pmu_event_filter. */
export interface kvm_pmu_event_filter {
  action: number
  nevents: number
  fixed_counter_bitmap: number
  flags: number
}
export const kvm_pmu_event_filter = /* @__PURE__ */ new Struct<kvm_pmu_event_filter>(
  'kvm_pmu_event_filter',
  32,
  'action@0:u32 nevents@4:u32 fixed_counter_bitmap@8:u32 flags@12:u32',
)

/** struct kvm_regs. */
export interface kvm_regs {
  rax: bigint
  rbx: bigint
  rcx: bigint
  rdx: bigint
  rsi: bigint
  rdi: bigint
  rsp: bigint
  rbp: bigint
  r8: bigint
  r9: bigint
  r10: bigint
  r11: bigint
  r12: bigint
  r13: bigint
  r14: bigint
  r15: bigint
  rip: bigint
  rflags: bigint
}
export const kvm_regs = /* @__PURE__ */ new Struct<kvm_regs>(
  'kvm_regs',
  144,
  'rax@0:u64 rbx@8:u64 rcx@16:u64 rdx@24:u64 rsi@32:u64 rdi@40:u64 rsp@48:u64 rbp@56:u64 r8@64:u64 r9@72:u64 r10@80:u64 r11@88:u64 r12@96:u64 r13@104:u64 r14@112:u64 r15@120:u64 rip@128:u64 rflags@136:u64',
)

/** struct kvm_reinject_control. */
export interface kvm_reinject_control {
  pit_reinject: number
}
export const kvm_reinject_control = /* @__PURE__ */ new Struct<kvm_reinject_control>(
  'kvm_reinject_control',
  32,
  'pit_reinject@0:u8',
)

/** struct kvm_segment. */
export interface kvm_segment {
  base: bigint
  limit: number
  selector: number
  type: number
  present: number
  dpl: number
  db: number
  s: number
  l: number
  g: number
  avl: number
  unusable: number
}
export const kvm_segment = /* @__PURE__ */ new Struct<kvm_segment>(
  'kvm_segment',
  24,
  'base@0:u64 limit@8:u32 selector@12:u16 type@14:u8 present@15:u8 dpl@16:u8 db@17:u8 s@18:u8 l@19:u8 g@20:u8 avl@21:u8 unusable@22:u8',
)

/** struct kvm_sregs. */
export interface kvm_sregs {
  cs: kvm_segment
  ds: kvm_segment
  es: kvm_segment
  fs: kvm_segment
  gs: kvm_segment
  ss: kvm_segment
  tr: kvm_segment
  ldt: kvm_segment
  gdt: kvm_dtable
  idt: kvm_dtable
  cr0: bigint
  cr2: bigint
  cr3: bigint
  cr4: bigint
  cr8: bigint
  efer: bigint
  apic_base: bigint
  interrupt_bitmap: bigint[]
}
export const kvm_sregs = /* @__PURE__ */ new Struct<kvm_sregs>(
  'kvm_sregs',
  312,
  'cs@0:kvm_segment ds@24:kvm_segment es@48:kvm_segment fs@72:kvm_segment gs@96:kvm_segment ss@120:kvm_segment tr@144:kvm_segment ldt@168:kvm_segment gdt@192:kvm_dtable idt@208:kvm_dtable cr0@224:u64 cr2@232:u64 cr3@240:u64 cr4@248:u64 cr8@256:u64 efer@264:u64 apic_base@272:u64 interrupt_bitmap@280:u64[4]',
  { kvm_dtable, kvm_segment },
)

/** struct kvm_vcpu_events. */
export interface kvm_vcpu_events {
  exception: {
    injected: number
    nr: number
    has_error_code: number
    pending: number
    error_code: number
  }
  interrupt: {
    injected: number
    nr: number
    soft: number
    shadow: number
  }
  nmi: {
    injected: number
    pending: number
    masked: number
  }
  sipi_vector: number
  flags: number
  smi: {
    smm: number
    pending: number
    smm_inside_nmi: number
    latched_init: number
  }
  triple_fault: {
    pending: number
  }
  exception_has_payload: number
  exception_payload: bigint
}
export const kvm_vcpu_events = /* @__PURE__ */ new Struct<kvm_vcpu_events>(
  'kvm_vcpu_events',
  64,
  'exception.injected@0:u8 exception.nr@1:u8 exception.has_error_code@2:u8 exception.pending@3:u8 exception.error_code@4:u32 interrupt.injected@8:u8 interrupt.nr@9:u8 interrupt.soft@10:u8 interrupt.shadow@11:u8 nmi.injected@12:u8 nmi.pending@13:u8 nmi.masked@14:u8 sipi_vector@16:u32 flags@20:u32 smi.smm@24:u8 smi.pending@25:u8 smi.smm_inside_nmi@26:u8 smi.latched_init@27:u8 triple_fault.pending@28:u8 exception_has_payload@55:u8 exception_payload@56:u64',
)

/** struct kvm_sync_regs. */
export interface kvm_sync_regs {
  regs: kvm_regs
  sregs: kvm_sregs
  events: kvm_vcpu_events
}
export const kvm_sync_regs = /* @__PURE__ */ new Struct<kvm_sync_regs>(
  'kvm_sync_regs',
  520,
  'regs@0:kvm_regs sregs@144:kvm_sregs events@456:kvm_vcpu_events',
  { kvm_regs, kvm_sregs, kvm_vcpu_events },
)

/** struct kvm_run. */
export interface kvm_run {
  request_interrupt_window: number
  immediate_exit: number
  exit_reason: number
  ready_for_interrupt_injection: number
  if_flag: number
  flags: number
  cr8: bigint
  apic_base: bigint
  hw: {
    hardware_exit_reason: bigint
  }
  fail_entry: {
    hardware_entry_failure_reason: bigint
    cpu: number
  }
  ex: {
    exception: number
    error_code: number
  }
  io: {
    direction: number
    size: number
    port: number
    count: number
    data_offset: bigint
  }
  debug: {
    arch: kvm_debug_exit_arch
  }
  mmio: {
    phys_addr: bigint
    data: Uint8Array
    len: number
    is_write: number
  }
  iocsr_io: {
    phys_addr: bigint
    data: Uint8Array
    len: number
    is_write: number
  }
  hypercall: {
    nr: bigint
    args: bigint[]
    ret: bigint
    longmode: number
    flags: bigint
  }
  tpr_access: {
    rip: bigint
    is_write: number
  }
  s390_sieic: {
    icptcode: number
    ipa: number
    ipb: number
  }
  s390_reset_flags: bigint
  s390_ucontrol: {
    trans_exc_code: bigint
    pgm_code: number
  }
  dcr: {
    dcrn: number
    data: number
    is_write: number
  }
  internal: {
    suberror: number
    ndata: number
    data: bigint[]
  }
  emulation_failure: {
    suberror: number
    ndata: number
    flags: bigint
    insn_size: number
    insn_bytes: Uint8Array
  }
  osi: {
    gprs: bigint[]
  }
  papr_hcall: {
    nr: bigint
    ret: bigint
    args: bigint[]
  }
  s390_tsch: {
    subchannel_id: number
    subchannel_nr: number
    io_int_parm: number
    io_int_word: number
    ipb: number
    dequeued: number
  }
  epr: {
    epr: number
  }
  system_event: {
    type: number
    ndata: number
    flags: bigint
    data: bigint[]
  }
  s390_stsi: {
    addr: bigint
    ar: number
    fc: number
    sel1: number
    sel2: number
  }
  eoi: {
    vector: number
  }
  hyperv: kvm_hyperv_exit
  arm_nisv: {
    esr_iss: bigint
    fault_ipa: bigint
  }
  msr: {
    error: number
    reason: number
    index: number
    data: bigint
  }
  xen: kvm_xen_exit
  riscv_sbi: {
    extension_id: bigint
    function_id: bigint
    args: bigint[]
    ret: bigint[]
  }
  riscv_csr: {
    csr_num: bigint
    new_value: bigint
    write_mask: bigint
    ret_value: bigint
  }
  notify: {
    flags: number
  }
  memory_fault: {
    flags: bigint
    gpa: bigint
    size: bigint
  }
  tdx: {
    flags: bigint
    nr: bigint
    unknown: {
      ret: bigint
      data: bigint[]
    }
    get_quote: {
      ret: bigint
      gpa: bigint
      size: bigint
    }
    get_tdvmcall_info: {
      ret: bigint
      leaf: bigint
      r11: bigint
      r12: bigint
      r13: bigint
      r14: bigint
    }
    setup_event_notify: {
      ret: bigint
      vector: bigint
    }
  }
  arm_sea: {
    flags: bigint
    esr: bigint
    gva: bigint
    gpa: bigint
  }
  snp_req_certs: kvm_exit_snp_req_certs
  kvm_valid_regs: bigint
  kvm_dirty_regs: bigint
  s: {
    regs: kvm_sync_regs
  }
}
export const kvm_run = /* @__PURE__ */ new Struct<kvm_run>(
  'kvm_run',
  2352,
  'request_interrupt_window@0:u8 immediate_exit@1:u8 exit_reason@8:u32 ready_for_interrupt_injection@12:u8 if_flag@13:u8 flags@14:u16 cr8@16:u64 apic_base@24:u64 hw.hardware_exit_reason@32:u64 fail_entry.hardware_entry_failure_reason@32:u64 fail_entry.cpu@40:u32 ex.exception@32:u32 ex.error_code@36:u32 io.direction@32:u8 io.size@33:u8 io.port@34:u16 io.count@36:u32 io.data_offset@40:u64 debug.arch@32:kvm_debug_exit_arch mmio.phys_addr@32:u64 mmio.data@40:u8[8] mmio.len@48:u32 mmio.is_write@52:u8 iocsr_io.phys_addr@32:u64 iocsr_io.data@40:u8[8] iocsr_io.len@48:u32 iocsr_io.is_write@52:u8 hypercall.nr@32:u64 hypercall.args@40:u64[6] hypercall.ret@88:u64 hypercall.longmode@96:u32 hypercall.flags@96:u64 tpr_access.rip@32:u64 tpr_access.is_write@40:u32 s390_sieic.icptcode@32:u8 s390_sieic.ipa@34:u16 s390_sieic.ipb@36:u32 s390_reset_flags@32:u64 s390_ucontrol.trans_exc_code@32:u64 s390_ucontrol.pgm_code@40:u32 dcr.dcrn@32:u32 dcr.data@36:u32 dcr.is_write@40:u8 internal.suberror@32:u32 internal.ndata@36:u32 internal.data@40:u64[16] emulation_failure.suberror@32:u32 emulation_failure.ndata@36:u32 emulation_failure.flags@40:u64 emulation_failure.insn_size@48:u8 emulation_failure.insn_bytes@49:u8[15] osi.gprs@32:u64[32] papr_hcall.nr@32:u64 papr_hcall.ret@40:u64 papr_hcall.args@48:u64[9] s390_tsch.subchannel_id@32:u16 s390_tsch.subchannel_nr@34:u16 s390_tsch.io_int_parm@36:u32 s390_tsch.io_int_word@40:u32 s390_tsch.ipb@44:u32 s390_tsch.dequeued@48:u8 epr.epr@32:u32 system_event.type@32:u32 system_event.ndata@36:u32 system_event.flags@40:u64 system_event.data@40:u64[16] s390_stsi.addr@32:u64 s390_stsi.ar@40:u8 s390_stsi.fc@42:u8 s390_stsi.sel1@43:u8 s390_stsi.sel2@44:u16 eoi.vector@32:u8 hyperv@32:kvm_hyperv_exit arm_nisv.esr_iss@32:u64 arm_nisv.fault_ipa@40:u64 msr.error@32:u8 msr.reason@40:u32 msr.index@44:u32 msr.data@48:u64 xen@32:kvm_xen_exit riscv_sbi.extension_id@32:u64 riscv_sbi.function_id@40:u64 riscv_sbi.args@48:u64[6] riscv_sbi.ret@96:u64[2] riscv_csr.csr_num@32:u64 riscv_csr.new_value@40:u64 riscv_csr.write_mask@48:u64 riscv_csr.ret_value@56:u64 notify.flags@32:u32 memory_fault.flags@32:u64 memory_fault.gpa@40:u64 memory_fault.size@48:u64 tdx.flags@32:u64 tdx.nr@40:u64 tdx.unknown.ret@48:u64 tdx.unknown.data@56:u64[5] tdx.get_quote.ret@48:u64 tdx.get_quote.gpa@56:u64 tdx.get_quote.size@64:u64 tdx.get_tdvmcall_info.ret@48:u64 tdx.get_tdvmcall_info.leaf@56:u64 tdx.get_tdvmcall_info.r11@64:u64 tdx.get_tdvmcall_info.r12@72:u64 tdx.get_tdvmcall_info.r13@80:u64 tdx.get_tdvmcall_info.r14@88:u64 tdx.setup_event_notify.ret@48:u64 tdx.setup_event_notify.vector@56:u64 arm_sea.flags@32:u64 arm_sea.esr@40:u64 arm_sea.gva@48:u64 arm_sea.gpa@56:u64 snp_req_certs@32:kvm_exit_snp_req_certs kvm_valid_regs@288:u64 kvm_dirty_regs@296:u64 s.regs@304:kvm_sync_regs',
  { kvm_debug_exit_arch, kvm_exit_snp_req_certs, kvm_hyperv_exit, kvm_sync_regs, kvm_xen_exit },
)

/** struct kvm_sev_attestation_report. */
export interface kvm_sev_attestation_report {
  mnonce: Uint8Array
  uaddr: bigint
  len: number
}
export const kvm_sev_attestation_report = /* @__PURE__ */ new Struct<kvm_sev_attestation_report>(
  'kvm_sev_attestation_report',
  32,
  'mnonce@0:u8[16] uaddr@16:u64 len@24:u32',
)

/** struct kvm_sev_cmd. */
export interface kvm_sev_cmd {
  id: number
  data: bigint
  error: number
  sev_fd: number
}
export const kvm_sev_cmd = /* @__PURE__ */ new Struct<kvm_sev_cmd>(
  'kvm_sev_cmd',
  24,
  'id@0:u32 data@8:u64 error@16:u32 sev_fd@20:u32',
)

/** struct kvm_sev_dbg. */
export interface kvm_sev_dbg {
  src_uaddr: bigint
  dst_uaddr: bigint
  len: number
}
export const kvm_sev_dbg = /* @__PURE__ */ new Struct<kvm_sev_dbg>(
  'kvm_sev_dbg',
  24,
  'src_uaddr@0:u64 dst_uaddr@8:u64 len@16:u32',
)

/** struct kvm_sev_guest_status. */
export interface kvm_sev_guest_status {
  handle: number
  policy: number
  state: number
}
export const kvm_sev_guest_status = /* @__PURE__ */ new Struct<kvm_sev_guest_status>(
  'kvm_sev_guest_status',
  12,
  'handle@0:u32 policy@4:u32 state@8:u32',
)

/** struct kvm_sev_init. */
export interface kvm_sev_init {
  vmsa_features: bigint
  flags: number
  ghcb_version: number
}
export const kvm_sev_init = /* @__PURE__ */ new Struct<kvm_sev_init>(
  'kvm_sev_init',
  48,
  'vmsa_features@0:u64 flags@8:u32 ghcb_version@12:u16',
)

/** struct kvm_sev_launch_measure. */
export interface kvm_sev_launch_measure {
  uaddr: bigint
  len: number
}
export const kvm_sev_launch_measure = /* @__PURE__ */ new Struct<kvm_sev_launch_measure>(
  'kvm_sev_launch_measure',
  16,
  'uaddr@0:u64 len@8:u32',
)

/** struct kvm_sev_launch_secret. */
export interface kvm_sev_launch_secret {
  hdr_uaddr: bigint
  hdr_len: number
  guest_uaddr: bigint
  guest_len: number
  trans_uaddr: bigint
  trans_len: number
}
export const kvm_sev_launch_secret = /* @__PURE__ */ new Struct<kvm_sev_launch_secret>(
  'kvm_sev_launch_secret',
  48,
  'hdr_uaddr@0:u64 hdr_len@8:u32 guest_uaddr@16:u64 guest_len@24:u32 trans_uaddr@32:u64 trans_len@40:u32',
)

/** struct kvm_sev_launch_start. */
export interface kvm_sev_launch_start {
  handle: number
  policy: number
  dh_uaddr: bigint
  dh_len: number
  session_uaddr: bigint
  session_len: number
}
export const kvm_sev_launch_start = /* @__PURE__ */ new Struct<kvm_sev_launch_start>(
  'kvm_sev_launch_start',
  40,
  'handle@0:u32 policy@4:u32 dh_uaddr@8:u64 dh_len@16:u32 session_uaddr@24:u64 session_len@32:u32',
)

/** struct kvm_sev_launch_update_data. */
export interface kvm_sev_launch_update_data {
  uaddr: bigint
  len: number
}
export const kvm_sev_launch_update_data = /* @__PURE__ */ new Struct<kvm_sev_launch_update_data>(
  'kvm_sev_launch_update_data',
  16,
  'uaddr@0:u64 len@8:u32',
)

/** struct kvm_sev_receive_start. */
export interface kvm_sev_receive_start {
  handle: number
  policy: number
  pdh_uaddr: bigint
  pdh_len: number
  session_uaddr: bigint
  session_len: number
}
export const kvm_sev_receive_start = /* @__PURE__ */ new Struct<kvm_sev_receive_start>(
  'kvm_sev_receive_start',
  40,
  'handle@0:u32 policy@4:u32 pdh_uaddr@8:u64 pdh_len@16:u32 session_uaddr@24:u64 session_len@32:u32',
)

/** struct kvm_sev_receive_update_data. */
export interface kvm_sev_receive_update_data {
  hdr_uaddr: bigint
  hdr_len: number
  guest_uaddr: bigint
  guest_len: number
  trans_uaddr: bigint
  trans_len: number
}
export const kvm_sev_receive_update_data = /* @__PURE__ */ new Struct<kvm_sev_receive_update_data>(
  'kvm_sev_receive_update_data',
  48,
  'hdr_uaddr@0:u64 hdr_len@8:u32 guest_uaddr@16:u64 guest_len@24:u32 trans_uaddr@32:u64 trans_len@40:u32',
)

/** struct kvm_sev_send_start. */
export interface kvm_sev_send_start {
  policy: number
  pdh_cert_uaddr: bigint
  pdh_cert_len: number
  plat_certs_uaddr: bigint
  plat_certs_len: number
  amd_certs_uaddr: bigint
  amd_certs_len: number
  session_uaddr: bigint
  session_len: number
}
export const kvm_sev_send_start = /* @__PURE__ */ new Struct<kvm_sev_send_start>(
  'kvm_sev_send_start',
  72,
  'policy@0:u32 pdh_cert_uaddr@8:u64 pdh_cert_len@16:u32 plat_certs_uaddr@24:u64 plat_certs_len@32:u32 amd_certs_uaddr@40:u64 amd_certs_len@48:u32 session_uaddr@56:u64 session_len@64:u32',
)

/** struct kvm_sev_send_update_data. */
export interface kvm_sev_send_update_data {
  hdr_uaddr: bigint
  hdr_len: number
  guest_uaddr: bigint
  guest_len: number
  trans_uaddr: bigint
  trans_len: number
}
export const kvm_sev_send_update_data = /* @__PURE__ */ new Struct<kvm_sev_send_update_data>(
  'kvm_sev_send_update_data',
  48,
  'hdr_uaddr@0:u64 hdr_len@8:u32 guest_uaddr@16:u64 guest_len@24:u32 trans_uaddr@32:u64 trans_len@40:u32',
)

/** struct kvm_sev_snp_launch_finish. */
export interface kvm_sev_snp_launch_finish {
  id_block_uaddr: bigint
  id_auth_uaddr: bigint
  id_block_en: number
  auth_key_en: number
  vcek_disabled: number
  host_data: Uint8Array
  flags: number
}
export const kvm_sev_snp_launch_finish = /* @__PURE__ */ new Struct<kvm_sev_snp_launch_finish>(
  'kvm_sev_snp_launch_finish',
  88,
  'id_block_uaddr@0:u64 id_auth_uaddr@8:u64 id_block_en@16:u8 auth_key_en@17:u8 vcek_disabled@18:u8 host_data@19:u8[32] flags@54:u16',
)

/** struct kvm_sev_snp_launch_start. */
export interface kvm_sev_snp_launch_start {
  policy: bigint
  gosvw: Uint8Array
  flags: number
}
export const kvm_sev_snp_launch_start = /* @__PURE__ */ new Struct<kvm_sev_snp_launch_start>(
  'kvm_sev_snp_launch_start',
  64,
  'policy@0:u64 gosvw@8:u8[16] flags@24:u16',
)

/** struct kvm_sev_snp_launch_update. */
export interface kvm_sev_snp_launch_update {
  gfn_start: bigint
  uaddr: bigint
  len: bigint
  type: number
  flags: number
}
export const kvm_sev_snp_launch_update = /* @__PURE__ */ new Struct<kvm_sev_snp_launch_update>(
  'kvm_sev_snp_launch_update',
  64,
  'gfn_start@0:u64 uaddr@8:u64 len@16:u64 type@24:u8 flags@26:u16',
)

/** struct kvm_sregs2. */
export interface kvm_sregs2 {
  cs: kvm_segment
  ds: kvm_segment
  es: kvm_segment
  fs: kvm_segment
  gs: kvm_segment
  ss: kvm_segment
  tr: kvm_segment
  ldt: kvm_segment
  gdt: kvm_dtable
  idt: kvm_dtable
  cr0: bigint
  cr2: bigint
  cr3: bigint
  cr4: bigint
  cr8: bigint
  efer: bigint
  apic_base: bigint
  flags: bigint
  pdptrs: bigint[]
}
export const kvm_sregs2 = /* @__PURE__ */ new Struct<kvm_sregs2>(
  'kvm_sregs2',
  320,
  'cs@0:kvm_segment ds@24:kvm_segment es@48:kvm_segment fs@72:kvm_segment gs@96:kvm_segment ss@120:kvm_segment tr@144:kvm_segment ldt@168:kvm_segment gdt@192:kvm_dtable idt@208:kvm_dtable cr0@224:u64 cr2@232:u64 cr3@240:u64 cr4@248:u64 cr8@256:u64 efer@264:u64 apic_base@272:u64 flags@280:u64 pdptrs@288:u64[4]',
  { kvm_dtable, kvm_segment },
)

/** struct kvm_svm_nested_state_data. */
export interface kvm_svm_nested_state_data {
  vmcb12: Uint8Array
}
export const kvm_svm_nested_state_data = /* @__PURE__ */ new Struct<kvm_svm_nested_state_data>(
  'kvm_svm_nested_state_data',
  4096,
  'vmcb12@0:u8[4096]',
)

/** struct kvm_tdx_capabilities. */
export interface kvm_tdx_capabilities {
  supported_attrs: bigint
  supported_xfam: bigint
  kernel_tdvmcallinfo_1_r11: bigint
  user_tdvmcallinfo_1_r11: bigint
  kernel_tdvmcallinfo_1_r12: bigint
  user_tdvmcallinfo_1_r12: bigint
  cpuid: kvm_cpuid2
}
export const kvm_tdx_capabilities = /* @__PURE__ */ new Struct<kvm_tdx_capabilities>(
  'kvm_tdx_capabilities',
  2056,
  'supported_attrs@0:u64 supported_xfam@8:u64 kernel_tdvmcallinfo_1_r11@16:u64 user_tdvmcallinfo_1_r11@24:u64 kernel_tdvmcallinfo_1_r12@32:u64 user_tdvmcallinfo_1_r12@40:u64 cpuid@2048:kvm_cpuid2',
  { kvm_cpuid2 },
)

/** struct kvm_tdx_cmd. */
export interface kvm_tdx_cmd {
  id: number
  flags: number
  data: bigint
  hw_error: bigint
}
export const kvm_tdx_cmd = /* @__PURE__ */ new Struct<kvm_tdx_cmd>(
  'kvm_tdx_cmd',
  24,
  'id@0:u32 flags@4:u32 data@8:u64 hw_error@16:u64',
)

/** struct kvm_tdx_init_mem_region. */
export interface kvm_tdx_init_mem_region {
  source_addr: bigint
  gpa: bigint
  nr_pages: bigint
}
export const kvm_tdx_init_mem_region = /* @__PURE__ */ new Struct<kvm_tdx_init_mem_region>(
  'kvm_tdx_init_mem_region',
  24,
  'source_addr@0:u64 gpa@8:u64 nr_pages@16:u64',
)

/** struct kvm_tdx_init_vm. */
export interface kvm_tdx_init_vm {
  attributes: bigint
  xfam: bigint
  mrconfigid: bigint[]
  mrowner: bigint[]
  mrownerconfig: bigint[]
  cpuid: kvm_cpuid2
}
export const kvm_tdx_init_vm = /* @__PURE__ */ new Struct<kvm_tdx_init_vm>(
  'kvm_tdx_init_vm',
  264,
  'attributes@0:u64 xfam@8:u64 mrconfigid@16:u64[6] mrowner@64:u64[6] mrownerconfig@112:u64[6] cpuid@256:kvm_cpuid2',
  { kvm_cpuid2 },
)

/** struct kvm_vmx_nested_state_data. */
export interface kvm_vmx_nested_state_data {
  vmcs12: Uint8Array
  shadow_vmcs12: Uint8Array
}
export const kvm_vmx_nested_state_data = /* @__PURE__ */ new Struct<kvm_vmx_nested_state_data>(
  'kvm_vmx_nested_state_data',
  8192,
  'vmcs12@0:u8[4096] shadow_vmcs12@4096:u8[4096]',
)

/** struct kvm_x86_mce. */
export interface kvm_x86_mce {
  status: bigint
  addr: bigint
  misc: bigint
  mcg_status: bigint
  bank: number
}
export const kvm_x86_mce = /* @__PURE__ */ new Struct<kvm_x86_mce>(
  'kvm_x86_mce',
  64,
  'status@0:u64 addr@8:u64 misc@16:u64 mcg_status@24:u64 bank@32:u8',
)

/** struct kvm_xcr. */
export interface kvm_xcr {
  xcr: number
  value: bigint
}
export const kvm_xcr = /* @__PURE__ */ new Struct<kvm_xcr>('kvm_xcr', 16, 'xcr@0:u32 value@8:u64')

/** struct kvm_xcrs. */
export interface kvm_xcrs {
  nr_xcrs: number
  flags: number
  xcrs: kvm_xcr[]
}
export const kvm_xcrs = /* @__PURE__ */ new Struct<kvm_xcrs>(
  'kvm_xcrs',
  392,
  'nr_xcrs@0:u32 flags@4:u32 xcrs@8:kvm_xcr[16]',
  { kvm_xcr },
)

/** struct kvm_xen_hvm_attr. */
export interface kvm_xen_hvm_attr {
  type: number
  u: {
    long_mode: number
    vector: number
    runstate_update_flag: number
    shared_info: {
      gfn: bigint
      hva: bigint
    }
    evtchn: {
      send_port: number
      type: number
      flags: number
      deliver: {
        port: {
          port: number
          vcpu: number
          priority: number
        }
        eventfd: {
          port: number
          fd: number
        }
      }
    }
    xen_version: number
  }
}
export const kvm_xen_hvm_attr = /* @__PURE__ */ new Struct<kvm_xen_hvm_attr>(
  'kvm_xen_hvm_attr',
  72,
  'type@0:u16 u.long_mode@8:u8 u.vector@8:u8 u.runstate_update_flag@8:u8 u.shared_info.gfn@8:u64 u.shared_info.hva@8:u64 u.evtchn.send_port@8:u32 u.evtchn.type@12:u32 u.evtchn.flags@16:u32 u.evtchn.deliver.port.port@20:u32 u.evtchn.deliver.port.vcpu@24:u32 u.evtchn.deliver.port.priority@28:u32 u.evtchn.deliver.eventfd.port@20:u32 u.evtchn.deliver.eventfd.fd@24:s32 u.xen_version@8:u32',
)

/** struct kvm_xen_hvm_config. */
export interface kvm_xen_hvm_config {
  flags: number
  msr: number
  blob_addr_32: bigint
  blob_addr_64: bigint
  blob_size_32: number
  blob_size_64: number
}
export const kvm_xen_hvm_config = /* @__PURE__ */ new Struct<kvm_xen_hvm_config>(
  'kvm_xen_hvm_config',
  56,
  'flags@0:u32 msr@4:u32 blob_addr_32@8:u64 blob_addr_64@16:u64 blob_size_32@24:u8 blob_size_64@25:u8',
)

/** struct kvm_xen_vcpu_attr. */
export interface kvm_xen_vcpu_attr {
  type: number
  u: {
    gpa: bigint
    hva: bigint
    runstate: {
      state: bigint
      state_entry_time: bigint
      time_running: bigint
      time_runnable: bigint
      time_blocked: bigint
      time_offline: bigint
    }
    vcpu_id: number
    timer: {
      port: number
      priority: number
      expires_ns: bigint
    }
    vector: number
  }
}
export const kvm_xen_vcpu_attr = /* @__PURE__ */ new Struct<kvm_xen_vcpu_attr>(
  'kvm_xen_vcpu_attr',
  72,
  'type@0:u16 u.gpa@8:u64 u.hva@8:u64 u.runstate.state@8:u64 u.runstate.state_entry_time@16:u64 u.runstate.time_running@24:u64 u.runstate.time_runnable@32:u64 u.runstate.time_blocked@40:u64 u.runstate.time_offline@48:u64 u.vcpu_id@8:u32 u.timer.port@8:u32 u.timer.priority@12:u32 u.timer.expires_ns@16:u64 u.vector@8:u8',
)

/** struct kvm_xsave. */
export interface kvm_xsave {
  region: number[]
}
export const kvm_xsave = /* @__PURE__ */ new Struct<kvm_xsave>('kvm_xsave', 4096, 'region@0:u32[1024]')
