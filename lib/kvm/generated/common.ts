// Written by `npm run uapi` from the headers of Linux 7.2.13.

import { Struct } from '../struct.js'

export const KVM_API_VERSION = 12
export const KVM_BUS_LOCK_DETECTION_EXIT = 2
export const KVM_BUS_LOCK_DETECTION_OFF = 1
export const KVM_CLOCK_HOST_TSC = 8
export const KVM_CLOCK_REALTIME = 4
export const KVM_CLOCK_TSC_STABLE = 2
export const KVM_CREATE_DEVICE_TEST = 1
export const KVM_DEV_TYPE_ARM_PV_TIME = 10
export const KVM_DEV_TYPE_ARM_VGIC_ITS = 8
export const KVM_DEV_TYPE_ARM_VGIC_V2 = 5
export const KVM_DEV_TYPE_ARM_VGIC_V3 = 7
export const KVM_DEV_TYPE_ARM_VGIC_V5 = 16
export const KVM_DEV_TYPE_FLIC = 6
export const KVM_DEV_TYPE_FSL_MPIC_20 = 1
export const KVM_DEV_TYPE_FSL_MPIC_42 = 2
export const KVM_DEV_TYPE_MAX = 17
export const KVM_DEV_TYPE_VFIO = 4
export const KVM_DEV_TYPE_XICS = 3
export const KVM_DEV_TYPE_XIVE = 9
export const KVM_DEV_VFIO_FILE = 1
export const KVM_DEV_VFIO_FILE_ADD = 1
export const KVM_DEV_VFIO_FILE_DEL = 2
export const KVM_DEV_VFIO_GROUP = 1
export const KVM_DEV_VFIO_GROUP_ADD = 1
export const KVM_DEV_VFIO_GROUP_DEL = 2
export const KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE = 3
export const KVM_DIRTY_GFN_F_DIRTY = 1
export const KVM_DIRTY_GFN_F_MASK = 3
export const KVM_DIRTY_GFN_F_RESET = 2
export const KVM_DIRTY_LOG_INITIALLY_SET = 2
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1
export const KVM_DIRTY_LOG_PAGE_OFFSET = 64
export const KVM_EXIT_ARM_SEA_FLAG_GPA_VALID = 1
export const KVM_EXIT_HYPERV_HCALL = 2
export const KVM_EXIT_HYPERV_SYNDBG = 3
export const KVM_EXIT_HYPERV_SYNIC = 1
export const KVM_EXIT_IO_IN = 0
export const KVM_EXIT_IO_OUT = 1
export const KVM_EXIT_XEN_HCALL = 1
export const KVM_GUESTDBG_ENABLE = 1
export const KVM_GUESTDBG_SINGLESTEP = 2
export const KVM_GUESTDBG_USE_SW_BP = 65536
export const KVM_INTERNAL_ERROR_DELIVERY_EV = 3
export const KVM_INTERNAL_ERROR_EMULATION = 1
export const KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1
export const KVM_INTERNAL_ERROR_SIMUL_EX = 2
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 4
export const KVM_IOEVENTFD_FLAG_PIO = 2
export const KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY = 8
export const KVM_IOEVENTFD_VALID_FLAG_MASK = 31
export const KVM_IRQFD_FLAG_DEASSIGN = 1
export const KVM_IRQFD_FLAG_RESAMPLE = 2
export const KVM_IRQ_ROUTING_HV_SINT = 4
export const KVM_IRQ_ROUTING_IRQCHIP = 1
export const KVM_IRQ_ROUTING_MSI = 2
export const KVM_IRQ_ROUTING_XEN_EVTCHN = 5
export const KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL = 4294967295
export const KVM_MEMORY_ATTRIBUTE_PRIVATE = 8
export const KVM_MEMORY_EXIT_FLAG_PRIVATE = 8
export const KVM_MEM_GUEST_MEMFD = 4
export const KVM_MEM_LOG_DIRTY_PAGES = 1
export const KVM_MEM_READONLY = 2
export const KVM_MMU_FSL_BOOKE_HV = 1
export const KVM_MMU_FSL_BOOKE_NOHV = 0
export const KVM_MP_STATE_AP_RESET_HOLD = 9
export const KVM_MP_STATE_CHECK_STOP = 6
export const KVM_MP_STATE_HALTED = 3
export const KVM_MP_STATE_INIT_RECEIVED = 2
export const KVM_MP_STATE_LOAD = 8
export const KVM_MP_STATE_OPERATING = 7
export const KVM_MP_STATE_RUNNABLE = 0
export const KVM_MP_STATE_SIPI_RECEIVED = 4
export const KVM_MP_STATE_STOPPED = 5
export const KVM_MP_STATE_SUSPENDED = 10
export const KVM_MP_STATE_UNINITIALIZED = 1
export const KVM_MSI_VALID_DEVID = 1
export const KVM_MSR_EXIT_REASON_FILTER = 4
export const KVM_MSR_EXIT_REASON_INVAL = 1
export const KVM_MSR_EXIT_REASON_UNKNOWN = 2
export const KVM_MSR_EXIT_REASON_VALID_MASK = 7
export const KVM_NOTIFY_CONTEXT_INVALID = 1
export const KVM_PIT_SPEAKER_DUMMY = 1
export const KVM_PMU_CAP_DISABLE = 1
export const KVM_PMU_EVENT_ALLOW = 0
export const KVM_PMU_EVENT_DENY = 1
export const KVM_REG_ARCH_MASK = 0xff00000000000000n
export const KVM_REG_ARM = 0x4000000000000000n
export const KVM_REG_ARM64 = 0x6000000000000000n
export const KVM_REG_GENERIC = 0
export const KVM_REG_IA64 = 0x3000000000000000n
export const KVM_REG_SIZE_MASK = 0xf0000000000000n
export const KVM_REG_SIZE_SHIFT = 52
export const KVM_REG_SIZE_U1024 = 0x70000000000000n
export const KVM_REG_SIZE_U128 = 0x40000000000000n
export const KVM_REG_SIZE_U16 = 4503599627370496
export const KVM_REG_SIZE_U2048 = 0x80000000000000n
export const KVM_REG_SIZE_U256 = 0x50000000000000n
export const KVM_REG_SIZE_U32 = 0x20000000000000n
export const KVM_REG_SIZE_U512 = 0x60000000000000n
export const KVM_REG_SIZE_U64 = 0x30000000000000n
export const KVM_REG_SIZE_U8 = 0
export const KVM_REG_X86 = 0x2000000000000000n
export const KVM_STATS_BASE_MASK = 3840
export const KVM_STATS_BASE_MAX = 256
export const KVM_STATS_BASE_POW10 = 0
export const KVM_STATS_BASE_POW2 = 256
export const KVM_STATS_BASE_SHIFT = 8
export const KVM_STATS_TYPE_CUMULATIVE = 0
export const KVM_STATS_TYPE_INSTANT = 1
export const KVM_STATS_TYPE_LINEAR_HIST = 3
export const KVM_STATS_TYPE_LOG_HIST = 4
export const KVM_STATS_TYPE_MASK = 15
export const KVM_STATS_TYPE_MAX = 4
export const KVM_STATS_TYPE_PEAK = 2
export const KVM_STATS_TYPE_SHIFT = 0
export const KVM_STATS_UNIT_BOOLEAN = 64
export const KVM_STATS_UNIT_BYTES = 16
export const KVM_STATS_UNIT_CYCLES = 48
export const KVM_STATS_UNIT_MASK = 240
export const KVM_STATS_UNIT_MAX = 64
export const KVM_STATS_UNIT_NONE = 0
export const KVM_STATS_UNIT_SECONDS = 32
export const KVM_STATS_UNIT_SHIFT = 4
export const KVM_SYSTEM_EVENT_CRASH = 3
export const KVM_SYSTEM_EVENT_RESET = 2
export const KVM_SYSTEM_EVENT_SEV_TERM = 6
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1
export const KVM_SYSTEM_EVENT_SUSPEND = 5
export const KVM_SYSTEM_EVENT_TDX_FATAL = 7
export const KVM_SYSTEM_EVENT_WAKEUP = 4
export const KVM_VM_TYPE_ARM_IPA_SIZE_MASK = 255
export const KVM_VM_TYPE_ARM_MASK = 2147483903
export const KVM_VM_TYPE_ARM_PROTECTED = 2147483648
export const KVM_X86_DISABLE_EXITS_APERFMPERF = 16
export const KVM_X86_DISABLE_EXITS_CSTATE = 8
export const KVM_X86_DISABLE_EXITS_HLT = 2
export const KVM_X86_DISABLE_EXITS_MWAIT = 1
export const KVM_X86_DISABLE_EXITS_PAUSE = 4
export const KVM_X86_NOTIFY_VMEXIT_ENABLED = 1
export const KVM_X86_NOTIFY_VMEXIT_USER = 2

/** struct kvm_arm_device_addr. */
export interface kvm_arm_device_addr {
  id: bigint
  addr: bigint
}
export const kvm_arm_device_addr = /* @__PURE__ */ new Struct<kvm_arm_device_addr>(
  'kvm_arm_device_addr',
  16,
  'id@0:u64 addr@8:u64',
)

/** struct kvm_clear_dirty_log. */
export interface kvm_clear_dirty_log {
  slot: number
  num_pages: number
  first_page: bigint
}
export const kvm_clear_dirty_log = /* @__PURE__ */ new Struct<kvm_clear_dirty_log>(
  'kvm_clear_dirty_log',
  24,
  'slot@0:u32 num_pages@4:u32 first_page@8:u64',
)

/** struct kvm_clock_data. */
export interface kvm_clock_data {
  clock: bigint
  flags: number
  realtime: bigint
  host_tsc: bigint
}
export const kvm_clock_data = /* @__PURE__ */ new Struct<kvm_clock_data>(
  'kvm_clock_data',
  48,
  'clock@0:u64 flags@8:u32 realtime@16:u64 host_tsc@24:u64',
)

/** struct kvm_coalesced_mmio. */
export interface kvm_coalesced_mmio {
  phys_addr: bigint
  len: number
  pio: number
  data: Uint8Array
}
export const kvm_coalesced_mmio = /* @__PURE__ */ new Struct<kvm_coalesced_mmio>(
  'kvm_coalesced_mmio',
  24,
  'phys_addr@0:u64 len@8:u32 pio@12:u32 data@16:u8[8]',
)

/** struct kvm_coalesced_mmio_ring. */
export interface kvm_coalesced_mmio_ring {
  first: number
  last: number
}
export const kvm_coalesced_mmio_ring = /* @__PURE__ */ new Struct<kvm_coalesced_mmio_ring>(
  'kvm_coalesced_mmio_ring',
  8,
  'first@0:u32 last@4:u32',
)

/** struct kvm_coalesced_mmio_zone. */
export interface kvm_coalesced_mmio_zone {
  addr: bigint
  size: number
  pio: number
}
export const kvm_coalesced_mmio_zone = /* @__PURE__ */ new Struct<kvm_coalesced_mmio_zone>(
  'kvm_coalesced_mmio_zone',
  16,
  'addr@0:u64 size@8:u32 pio@12:u32',
)

/** struct kvm_create_device. */
export interface kvm_create_device {
  type: number
  fd: number
  flags: number
}
export const kvm_create_device = /* @__PURE__ */ new Struct<kvm_create_device>(
  'kvm_create_device',
  12,
  'type@0:u32 fd@4:u32 flags@8:u32',
)

/** struct kvm_create_guest_memfd. */
export interface kvm_create_guest_memfd {
  size: bigint
  flags: bigint
}
export const kvm_create_guest_memfd = /* @__PURE__ */ new Struct<kvm_create_guest_memfd>(
  'kvm_create_guest_memfd',
  64,
  'size@0:u64 flags@8:u64',
)

/** struct kvm_device_attr. */
export interface kvm_device_attr {
  flags: number
  group: number
  attr: bigint
  addr: bigint
}
export const kvm_device_attr = /* @__PURE__ */ new Struct<kvm_device_attr>(
  'kvm_device_attr',
  24,
  'flags@0:u32 group@4:u32 attr@8:u64 addr@16:u64',
)

/** struct kvm_dirty_gfn. */
export interface kvm_dirty_gfn {
  flags: number
  slot: number
  offset: bigint
}
export const kvm_dirty_gfn = /* @__PURE__ */ new Struct<kvm_dirty_gfn>(
  'kvm_dirty_gfn',
  16,
  'flags@0:u32 slot@4:u32 offset@8:u64',
)

/** struct kvm_dirty_log. */
export interface kvm_dirty_log {
  slot: number
}
export const kvm_dirty_log = /* @__PURE__ */ new Struct<kvm_dirty_log>('kvm_dirty_log', 16, 'slot@0:u32')

/** struct kvm_enable_cap. */
export interface kvm_enable_cap {
  cap: number
  flags: number
  args: bigint[]
}
export const kvm_enable_cap = /* @__PURE__ */ new Struct<kvm_enable_cap>(
  'kvm_enable_cap',
  104,
  'cap@0:u32 flags@4:u32 args@8:u64[4]',
)

/** struct kvm_enc_region. */
export interface kvm_enc_region {
  addr: bigint
  size: bigint
}
export const kvm_enc_region = /* @__PURE__ */ new Struct<kvm_enc_region>('kvm_enc_region', 16, 'addr@0:u64 size@8:u64')

/** struct kvm_exit_snp_req_certs. */
export interface kvm_exit_snp_req_certs {
  gpa: bigint
  npages: bigint
  ret: bigint
}
export const kvm_exit_snp_req_certs = /* @__PURE__ */ new Struct<kvm_exit_snp_req_certs>(
  'kvm_exit_snp_req_certs',
  24,
  'gpa@0:u64 npages@8:u64 ret@16:u64',
)

/** struct kvm_hyperv_exit. */
export interface kvm_hyperv_exit {
  type: number
  u: {
    synic: {
      msr: number
      control: bigint
      evt_page: bigint
      msg_page: bigint
    }
    hcall: {
      input: bigint
      result: bigint
      params: bigint[]
    }
    syndbg: {
      msr: number
      control: bigint
      status: bigint
      send_page: bigint
      recv_page: bigint
      pending_page: bigint
    }
  }
}
export const kvm_hyperv_exit = /* @__PURE__ */ new Struct<kvm_hyperv_exit>(
  'kvm_hyperv_exit',
  56,
  'type@0:u32 u.synic.msr@8:u32 u.synic.control@16:u64 u.synic.evt_page@24:u64 u.synic.msg_page@32:u64 u.hcall.input@8:u64 u.hcall.result@16:u64 u.hcall.params@24:u64[2] u.syndbg.msr@8:u32 u.syndbg.control@16:u64 u.syndbg.status@24:u64 u.syndbg.send_page@32:u64 u.syndbg.recv_page@40:u64 u.syndbg.pending_page@48:u64',
)

/** struct kvm_interrupt. */
export interface kvm_interrupt {
  irq: number
}
export const kvm_interrupt = /* @__PURE__ */ new Struct<kvm_interrupt>('kvm_interrupt', 4, 'irq@0:u32')

/** struct kvm_ioeventfd. */
export interface kvm_ioeventfd {
  datamatch: bigint
  addr: bigint
  len: number
  fd: number
  flags: number
}
export const kvm_ioeventfd = /* @__PURE__ */ new Struct<kvm_ioeventfd>(
  'kvm_ioeventfd',
  64,
  'datamatch@0:u64 addr@8:u64 len@16:u32 fd@20:s32 flags@24:u32',
)

/** struct kvm_irq_level. */
export interface kvm_irq_level {
  irq: number
  status: number
  level: number
}
export const kvm_irq_level = /* @__PURE__ */ new Struct<kvm_irq_level>(
  'kvm_irq_level',
  8,
  'irq@0:u32 status@0:s32 level@4:u32',
)

/** struct kvm_irq_routing. */
export interface kvm_irq_routing {
  nr: number
  flags: number
}
export const kvm_irq_routing = /* @__PURE__ */ new Struct<kvm_irq_routing>('kvm_irq_routing', 8, 'nr@0:u32 flags@4:u32')

/** struct kvm_irq_routing_irqchip. */
export interface kvm_irq_routing_irqchip {
  irqchip: number
  pin: number
}
export const kvm_irq_routing_irqchip = /* @__PURE__ */ new Struct<kvm_irq_routing_irqchip>(
  'kvm_irq_routing_irqchip',
  8,
  'irqchip@0:u32 pin@4:u32',
)

/** struct kvm_irq_routing_msi. */
export interface kvm_irq_routing_msi {
  address_lo: number
  address_hi: number
  data: number
  devid: number
}
export const kvm_irq_routing_msi = /* @__PURE__ */ new Struct<kvm_irq_routing_msi>(
  'kvm_irq_routing_msi',
  16,
  'address_lo@0:u32 address_hi@4:u32 data@8:u32 devid@12:u32',
)

/** struct kvm_irq_routing_hv_sint. */
export interface kvm_irq_routing_hv_sint {
  vcpu: number
  sint: number
}
export const kvm_irq_routing_hv_sint = /* @__PURE__ */ new Struct<kvm_irq_routing_hv_sint>(
  'kvm_irq_routing_hv_sint',
  8,
  'vcpu@0:u32 sint@4:u32',
)

/** struct kvm_irq_routing_xen_evtchn. */
export interface kvm_irq_routing_xen_evtchn {
  port: number
  vcpu: number
  priority: number
}
export const kvm_irq_routing_xen_evtchn = /* @__PURE__ */ new Struct<kvm_irq_routing_xen_evtchn>(
  'kvm_irq_routing_xen_evtchn',
  12,
  'port@0:u32 vcpu@4:u32 priority@8:u32',
)

/** struct kvm_irq_routing_entry. */
export interface kvm_irq_routing_entry {
  gsi: number
  type: number
  flags: number
  u: {
    irqchip: kvm_irq_routing_irqchip
    msi: kvm_irq_routing_msi
    hv_sint: kvm_irq_routing_hv_sint
    xen_evtchn: kvm_irq_routing_xen_evtchn
  }
}
export const kvm_irq_routing_entry = /* @__PURE__ */ new Struct<kvm_irq_routing_entry>(
  'kvm_irq_routing_entry',
  48,
  'gsi@0:u32 type@4:u32 flags@8:u32 u.irqchip@16:kvm_irq_routing_irqchip u.msi@16:kvm_irq_routing_msi u.hv_sint@16:kvm_irq_routing_hv_sint u.xen_evtchn@16:kvm_irq_routing_xen_evtchn',
  { kvm_irq_routing_hv_sint, kvm_irq_routing_irqchip, kvm_irq_routing_msi, kvm_irq_routing_xen_evtchn },
)

/** struct kvm_irqfd. */
export interface kvm_irqfd {
  fd: number
  gsi: number
  flags: number
  resamplefd: number
}
export const kvm_irqfd = /* @__PURE__ */ new Struct<kvm_irqfd>(
  'kvm_irqfd',
  32,
  'fd@0:u32 gsi@4:u32 flags@8:u32 resamplefd@12:u32',
)

/** struct kvm_memory_attributes. */
export interface kvm_memory_attributes {
  address: bigint
  size: bigint
  attributes: bigint
  flags: bigint
}
export const kvm_memory_attributes = /* @__PURE__ */ new Struct<kvm_memory_attributes>(
  'kvm_memory_attributes',
  32,
  'address@0:u64 size@8:u64 attributes@16:u64 flags@24:u64',
)

/** struct kvm_mp_state. */
export interface kvm_mp_state {
  mp_state: number
}
export const kvm_mp_state = /* @__PURE__ */ new Struct<kvm_mp_state>('kvm_mp_state', 4, 'mp_state@0:u32')

/** struct kvm_msi. */
export interface kvm_msi {
  address_lo: number
  address_hi: number
  data: number
  flags: number
  devid: number
}
export const kvm_msi = /* @__PURE__ */ new Struct<kvm_msi>(
  'kvm_msi',
  32,
  'address_lo@0:u32 address_hi@4:u32 data@8:u32 flags@12:u32 devid@16:u32',
)

/** struct kvm_one_reg. */
export interface kvm_one_reg {
  id: bigint
  addr: bigint
}
export const kvm_one_reg = /* @__PURE__ */ new Struct<kvm_one_reg>('kvm_one_reg', 16, 'id@0:u64 addr@8:u64')

/** struct kvm_pit_config. */
export interface kvm_pit_config {
  flags: number
}
export const kvm_pit_config = /* @__PURE__ */ new Struct<kvm_pit_config>('kvm_pit_config', 64, 'flags@0:u32')

/** struct kvm_pre_fault_memory. */
export interface kvm_pre_fault_memory {
  gpa: bigint
  size: bigint
  flags: bigint
}
export const kvm_pre_fault_memory = /* @__PURE__ */ new Struct<kvm_pre_fault_memory>(
  'kvm_pre_fault_memory',
  64,
  'gpa@0:u64 size@8:u64 flags@16:u64',
)

/** struct kvm_reg_list. */
export interface kvm_reg_list {
  n: bigint
}
export const kvm_reg_list = /* @__PURE__ */ new Struct<kvm_reg_list>('kvm_reg_list', 8, 'n@0:u64')

/** struct kvm_signal_mask. */
export interface kvm_signal_mask {
  len: number
}
export const kvm_signal_mask = /* @__PURE__ */ new Struct<kvm_signal_mask>('kvm_signal_mask', 4, 'len@0:u32')

/** struct kvm_stats_desc. */
export interface kvm_stats_desc {
  flags: number
  exponent: number
  size: number
  offset: number
  bucket_size: number
}
export const kvm_stats_desc = /* @__PURE__ */ new Struct<kvm_stats_desc>(
  'kvm_stats_desc',
  16,
  'flags@0:u32 exponent@4:s16 size@6:u16 offset@8:u32 bucket_size@12:u32',
)

/** struct kvm_stats_header. */
export interface kvm_stats_header {
  flags: number
  name_size: number
  num_desc: number
  id_offset: number
  desc_offset: number
  data_offset: number
}
export const kvm_stats_header = /* @__PURE__ */ new Struct<kvm_stats_header>(
  'kvm_stats_header',
  24,
  'flags@0:u32 name_size@4:u32 num_desc@8:u32 id_offset@12:u32 desc_offset@16:u32 data_offset@20:u32',
)

/** struct kvm_tpr_access_ctl. */
export interface kvm_tpr_access_ctl {
  enabled: number
  flags: number
}
export const kvm_tpr_access_ctl = /* @__PURE__ */ new Struct<kvm_tpr_access_ctl>(
  'kvm_tpr_access_ctl',
  40,
  'enabled@0:u32 flags@4:u32',
)

/** struct kvm_translation. */
export interface kvm_translation {
  linear_address: bigint
  physical_address: bigint
  valid: number
  writeable: number
  usermode: number
}
export const kvm_translation = /* @__PURE__ */ new Struct<kvm_translation>(
  'kvm_translation',
  24,
  'linear_address@0:u64 physical_address@8:u64 valid@16:u8 writeable@17:u8 usermode@18:u8',
)

/** struct kvm_userspace_memory_region. */
export interface kvm_userspace_memory_region {
  slot: number
  flags: number
  guest_phys_addr: bigint
  memory_size: bigint
  userspace_addr: bigint
}
export const kvm_userspace_memory_region = /* @__PURE__ */ new Struct<kvm_userspace_memory_region>(
  'kvm_userspace_memory_region',
  32,
  'slot@0:u32 flags@4:u32 guest_phys_addr@8:u64 memory_size@16:u64 userspace_addr@24:u64',
)

/** struct kvm_userspace_memory_region2. */
export interface kvm_userspace_memory_region2 {
  slot: number
  flags: number
  guest_phys_addr: bigint
  memory_size: bigint
  userspace_addr: bigint
  guest_memfd_offset: bigint
  guest_memfd: number
}
export const kvm_userspace_memory_region2 = /* @__PURE__ */ new Struct<kvm_userspace_memory_region2>(
  'kvm_userspace_memory_region2',
  160,
  'slot@0:u32 flags@4:u32 guest_phys_addr@8:u64 memory_size@16:u64 userspace_addr@24:u64 guest_memfd_offset@32:u64 guest_memfd@40:u32',
)

/** struct kvm_vapic_addr. */
export interface kvm_vapic_addr {
  vapic_addr: bigint
}
export const kvm_vapic_addr = /* @__PURE__ */ new Struct<kvm_vapic_addr>('kvm_vapic_addr', 8, 'vapic_addr@0:u64')

/** struct kvm_xen_exit. */
export interface kvm_xen_exit {
  type: number
  u: {
    hcall: {
      longmode: number
      cpl: number
      input: bigint
      result: bigint
      params: bigint[]
    }
  }
}
export const kvm_xen_exit = /* @__PURE__ */ new Struct<kvm_xen_exit>(
  'kvm_xen_exit',
  80,
  'type@0:u32 u.hcall.longmode@8:u32 u.hcall.cpl@12:u32 u.hcall.input@16:u64 u.hcall.result@24:u64 u.hcall.params@32:u64[6]',
)
