// Written by `npm run uapi` from the headers of Linux 7.2.13.

import { Struct } from '../struct.js'
import { kvm_exit_snp_req_certs, kvm_hyperv_exit, kvm_xen_exit } from './common.js'

export const KVM_ARM64_SVE_MAX_SLICES = 32
export const KVM_ARM64_SVE_NUM_PREGS = 16
export const KVM_ARM64_SVE_NUM_ZREGS = 32
export const KVM_ARM64_SVE_VLS_WORDS = 8
export const KVM_ARM64_SVE_VQ_MAX = 512
export const KVM_ARM64_SVE_VQ_MIN = 1
export const KVM_ARM_DEVICE_ID_SHIFT = 16
export const KVM_ARM_DEVICE_TYPE_SHIFT = 0
export const KVM_ARM_DEVICE_VGIC_V2 = 0
export const KVM_ARM_DEV_EL1_PTIMER = 2
export const KVM_ARM_DEV_EL1_VTIMER = 1
export const KVM_ARM_DEV_PMU = 4
export const KVM_ARM_FEATURE_ID_RANGE = 0
export const KVM_ARM_FEATURE_ID_RANGE_SIZE = 192
export const KVM_ARM_IRQ_CPU_FIQ = 1
export const KVM_ARM_IRQ_CPU_IRQ = 0
export const KVM_ARM_IRQ_GIC_MAX = 127
export const KVM_ARM_IRQ_NUM_MASK = 65535
export const KVM_ARM_IRQ_NUM_SHIFT = 0
export const KVM_ARM_IRQ_TYPE_CPU = 0
export const KVM_ARM_IRQ_TYPE_MASK = 15
export const KVM_ARM_IRQ_TYPE_PPI = 2
export const KVM_ARM_IRQ_TYPE_SHIFT = 24
export const KVM_ARM_IRQ_TYPE_SPI = 1
export const KVM_ARM_IRQ_VCPU2_MASK = 15
export const KVM_ARM_IRQ_VCPU2_SHIFT = 28
export const KVM_ARM_IRQ_VCPU_MASK = 255
export const KVM_ARM_IRQ_VCPU_SHIFT = 16
export const KVM_ARM_MAX_DBG_REGS = 16
export const KVM_ARM_NUM_TARGETS = 6
export const KVM_ARM_TAGS_FROM_GUEST = 1
export const KVM_ARM_TAGS_TO_GUEST = 0
export const KVM_ARM_TARGET_AEM_V8 = 0
export const KVM_ARM_TARGET_CORTEX_A53 = 4
export const KVM_ARM_TARGET_CORTEX_A57 = 2
export const KVM_ARM_TARGET_FOUNDATION_V8 = 1
export const KVM_ARM_TARGET_GENERIC_V8 = 5
export const KVM_ARM_TARGET_XGENE_POTENZA = 3
export const KVM_ARM_VCPU_EL1_32BIT = 1
export const KVM_ARM_VCPU_HAS_EL2 = 7
export const KVM_ARM_VCPU_HAS_EL2_E2H0 = 8
export const KVM_ARM_VCPU_PMU_V3 = 3
export const KVM_ARM_VCPU_PMU_V3_CTRL = 0
export const KVM_ARM_VCPU_PMU_V3_FILTER = 2
export const KVM_ARM_VCPU_PMU_V3_INIT = 1
export const KVM_ARM_VCPU_PMU_V3_IRQ = 0
export const KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS = 4
export const KVM_ARM_VCPU_PMU_V3_SET_PMU = 3
export const KVM_ARM_VCPU_POWER_OFF = 0
export const KVM_ARM_VCPU_PSCI_0_2 = 2
export const KVM_ARM_VCPU_PTRAUTH_ADDRESS = 5
export const KVM_ARM_VCPU_PTRAUTH_GENERIC = 6
export const KVM_ARM_VCPU_PVTIME_CTRL = 2
export const KVM_ARM_VCPU_PVTIME_IPA = 0
export const KVM_ARM_VCPU_SVE = 4
export const KVM_ARM_VCPU_TIMER_CTRL = 1
export const KVM_ARM_VCPU_TIMER_IRQ_HPTIMER = 3
export const KVM_ARM_VCPU_TIMER_IRQ_HVTIMER = 2
export const KVM_ARM_VCPU_TIMER_IRQ_PTIMER = 1
export const KVM_ARM_VCPU_TIMER_IRQ_VTIMER = 0
export const KVM_ARM_VM_SMCCC_CTRL = 0
export const KVM_ARM_VM_SMCCC_FILTER = 0
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 1
export const KVM_DEBUG_ARCH_HSR_HIGH_VALID = 1
export const KVM_DEV_ARM_ITS_CTRL_RESET = 4
export const KVM_DEV_ARM_ITS_RESTORE_TABLES = 2
export const KVM_DEV_ARM_ITS_SAVE_TABLES = 1
export const KVM_DEV_ARM_VGIC_CPUID_MASK = 1095216660480
export const KVM_DEV_ARM_VGIC_CPUID_SHIFT = 32
export const KVM_DEV_ARM_VGIC_CTRL_INIT = 0
export const KVM_DEV_ARM_VGIC_GRP_ADDR = 0
export const KVM_DEV_ARM_VGIC_GRP_CPU_REGS = 2
export const KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS = 6
export const KVM_DEV_ARM_VGIC_GRP_CTRL = 4
export const KVM_DEV_ARM_VGIC_GRP_DIST_REGS = 1
export const KVM_DEV_ARM_VGIC_GRP_ITS_REGS = 8
export const KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO = 7
export const KVM_DEV_ARM_VGIC_GRP_MAINT_IRQ = 9
export const KVM_DEV_ARM_VGIC_GRP_NR_IRQS = 3
export const KVM_DEV_ARM_VGIC_GRP_REDIST_REGS = 5
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_MASK = 4294966272
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT = 10
export const KVM_DEV_ARM_VGIC_LINE_LEVEL_INTID_MASK = 1023
export const KVM_DEV_ARM_VGIC_OFFSET_MASK = 4294967295
export const KVM_DEV_ARM_VGIC_OFFSET_SHIFT = 0
export const KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES = 3
export const KVM_DEV_ARM_VGIC_SYSREG_INSTR_MASK = 65535
export const KVM_DEV_ARM_VGIC_USERSPACE_PPIS = 5
export const KVM_DEV_ARM_VGIC_V3_MPIDR_MASK = 0xffffffff00000000n
export const KVM_DEV_ARM_VGIC_V3_MPIDR_SHIFT = 32
export const KVM_EXIT_FAIL_ENTRY_CPU_UNSUPPORTED = 1
export const KVM_GUESTDBG_USE_HW = 131072
export const KVM_HYPERCALL_EXIT_16BIT = 2
export const KVM_HYPERCALL_EXIT_SMC = 1
export const KVM_NR_IRQCHIPS = 1
export const KVM_NR_SPSR = 5
export const KVM_PSCI_FN_BASE = 2512501342
export const KVM_PSCI_FN_CPU_OFF = 2512501343
export const KVM_PSCI_FN_CPU_ON = 2512501344
export const KVM_PSCI_FN_CPU_SUSPEND = 2512501342
export const KVM_PSCI_FN_MIGRATE = 2512501345
export const KVM_PSCI_RET_DENIED = 0xfffffffffffffffdn
export const KVM_PSCI_RET_INVAL = 0xfffffffffffffffen
export const KVM_PSCI_RET_NI = 0xffffffffffffffffn
export const KVM_PSCI_RET_SUCCESS = 0
export const KVM_REG_ARM64_SVE = 1376256
export const KVM_REG_ARM64_SVE_FFR_BASE = 1536
export const KVM_REG_ARM64_SVE_PREG_BASE = 1024
export const KVM_REG_ARM64_SVE_VLS = 0x606000000015ffffn
export const KVM_REG_ARM64_SVE_ZREG_BASE = 0
export const KVM_REG_ARM64_SYSREG = 1245184
export const KVM_REG_ARM64_SYSREG_CRM_MASK = 120
export const KVM_REG_ARM64_SYSREG_CRM_SHIFT = 3
export const KVM_REG_ARM64_SYSREG_CRN_MASK = 1920
export const KVM_REG_ARM64_SYSREG_CRN_SHIFT = 7
export const KVM_REG_ARM64_SYSREG_OP0_MASK = 49152
export const KVM_REG_ARM64_SYSREG_OP0_SHIFT = 14
export const KVM_REG_ARM64_SYSREG_OP1_MASK = 14336
export const KVM_REG_ARM64_SYSREG_OP1_SHIFT = 11
export const KVM_REG_ARM64_SYSREG_OP2_MASK = 7
export const KVM_REG_ARM64_SYSREG_OP2_SHIFT = 0
export const KVM_REG_ARM_COPROC_MASK = 268369920
export const KVM_REG_ARM_COPROC_SHIFT = 16
export const KVM_REG_ARM_CORE = 1048576
export const KVM_REG_ARM_DEMUX = 1114112
export const KVM_REG_ARM_DEMUX_ID_CCSIDR = 0
export const KVM_REG_ARM_DEMUX_ID_MASK = 65280
export const KVM_REG_ARM_DEMUX_ID_SHIFT = 8
export const KVM_REG_ARM_DEMUX_VAL_MASK = 255
export const KVM_REG_ARM_DEMUX_VAL_SHIFT = 0
export const KVM_REG_ARM_FW = 1310720
export const KVM_REG_ARM_FW_FEAT_BMAP = 1441792
export const KVM_REG_ARM_PSCI_VERSION = 0x6030000000140000n
export const KVM_REG_ARM_PTIMER_CNT = 0x603000000013df01n
export const KVM_REG_ARM_PTIMER_CTL = 0x603000000013df11n
export const KVM_REG_ARM_PTIMER_CVAL = 0x603000000013df12n
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1 = 0x6030000000140001n
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_AVAIL = 1
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_AVAIL = 0
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_1_NOT_REQUIRED = 2
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2 = 0x6030000000140002n
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_AVAIL = 2
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_ENABLED = 16
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_AVAIL = 0
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_NOT_REQUIRED = 3
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_2_UNKNOWN = 1
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3 = 0x6030000000140003n
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_AVAIL = 1
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_NOT_AVAIL = 0
export const KVM_REG_ARM_SMCCC_ARCH_WORKAROUND_3_NOT_REQUIRED = 2
export const KVM_REG_ARM_STD_BIT_TRNG_V1_0 = 0
export const KVM_REG_ARM_STD_BMAP = 0x6030000000160000n
export const KVM_REG_ARM_STD_HYP_BIT_PV_TIME = 0
export const KVM_REG_ARM_STD_HYP_BMAP = 0x6030000000160001n
export const KVM_REG_ARM_TIMER_CNT = 0x603000000013df1an
export const KVM_REG_ARM_TIMER_CTL = 0x603000000013df19n
export const KVM_REG_ARM_TIMER_CVAL = 0x603000000013df02n
export const KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_CPUS = 1
export const KVM_REG_ARM_VENDOR_HYP_BIT_DISCOVER_IMPL_VER = 0
export const KVM_REG_ARM_VENDOR_HYP_BIT_FUNC_FEAT = 0
export const KVM_REG_ARM_VENDOR_HYP_BIT_PTP = 1
export const KVM_REG_ARM_VENDOR_HYP_BMAP = 0x6030000000160002n
export const KVM_REG_ARM_VENDOR_HYP_BMAP_2 = 0x6030000000160003n
export const KVM_SMCCC_FILTER_DENY = 1
export const KVM_SMCCC_FILTER_FWD_TO_USER = 2
export const KVM_SMCCC_FILTER_HANDLE = 0
export const KVM_SPSR_ABT = 1
export const KVM_SPSR_EL1 = 0
export const KVM_SPSR_FIQ = 4
export const KVM_SPSR_IRQ = 3
export const KVM_SPSR_SVC = 0
export const KVM_SPSR_UND = 2
export const KVM_SYSTEM_EVENT_RESET_FLAG_PSCI_RESET2 = 1
export const KVM_SYSTEM_EVENT_SHUTDOWN_FLAG_PSCI_OFF2 = 1
export const KVM_VGIC_ITS_ADDR_TYPE = 4
export const KVM_VGIC_V2_ADDR_TYPE_CPU = 1
export const KVM_VGIC_V2_ADDR_TYPE_DIST = 0
export const KVM_VGIC_V2_CPU_SIZE = 8192
export const KVM_VGIC_V2_DIST_SIZE = 4096
export const KVM_VGIC_V3_ADDR_TYPE_DIST = 2
export const KVM_VGIC_V3_ADDR_TYPE_REDIST = 3
export const KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION = 5

/** struct kvm_arm_copy_mte_tags. */
export interface kvm_arm_copy_mte_tags {
  guest_ipa: bigint
  length: bigint
  flags: bigint
}
export const kvm_arm_copy_mte_tags = /* @__PURE__ */ new Struct<kvm_arm_copy_mte_tags>(
  'kvm_arm_copy_mte_tags',
  48,
  'guest_ipa@0:u64 length@8:u64 flags@24:u64',
)

/** struct kvm_arm_counter_offset. */
export interface kvm_arm_counter_offset {
  counter_offset: bigint
}
export const kvm_arm_counter_offset = /* @__PURE__ */ new Struct<kvm_arm_counter_offset>(
  'kvm_arm_counter_offset',
  16,
  'counter_offset@0:u64',
)

/** struct kvm_debug_exit_arch. */
export interface kvm_debug_exit_arch {
  hsr: number
  hsr_high: number
  far: bigint
}
export const kvm_debug_exit_arch = /* @__PURE__ */ new Struct<kvm_debug_exit_arch>(
  'kvm_debug_exit_arch',
  16,
  'hsr@0:u32 hsr_high@4:u32 far@8:u64',
)

/** struct kvm_guest_debug_arch. */
export interface kvm_guest_debug_arch {
  dbg_bcr: bigint[]
  dbg_bvr: bigint[]
  dbg_wcr: bigint[]
  dbg_wvr: bigint[]
}
export const kvm_guest_debug_arch = /* @__PURE__ */ new Struct<kvm_guest_debug_arch>(
  'kvm_guest_debug_arch',
  512,
  'dbg_bcr@0:u64[16] dbg_bvr@128:u64[16] dbg_wcr@256:u64[16] dbg_wvr@384:u64[16]',
)

/** struct kvm_guest_debug. */
export interface kvm_guest_debug {
  control: number
  arch: kvm_guest_debug_arch
}
export const kvm_guest_debug = /* @__PURE__ */ new Struct<kvm_guest_debug>(
  'kvm_guest_debug',
  520,
  'control@0:u32 arch@8:kvm_guest_debug_arch',
  { kvm_guest_debug_arch },
)

/** struct kvm_irqchip. */
export interface kvm_irqchip {
  chip_id: number
}
export const kvm_irqchip = /* @__PURE__ */ new Struct<kvm_irqchip>('kvm_irqchip', 520, 'chip_id@0:u32')

/** struct kvm_pmu_event_filter. */
export interface kvm_pmu_event_filter {
  base_event: number
  nevents: number
  action: number
}
export const kvm_pmu_event_filter = /* @__PURE__ */ new Struct<kvm_pmu_event_filter>(
  'kvm_pmu_event_filter',
  8,
  'base_event@0:u16 nevents@2:u16 action@4:u8',
)

/** struct kvm_regs. */
export interface kvm_regs {
  sp_el1: bigint
  elr_el1: bigint
  spsr: bigint[]
}
export const kvm_regs = /* @__PURE__ */ new Struct<kvm_regs>(
  'kvm_regs',
  864,
  'sp_el1@272:u64 elr_el1@280:u64 spsr@288:u64[5]',
)

/** struct kvm_sync_regs. */
export interface kvm_sync_regs {
  device_irq_level: bigint
}
export const kvm_sync_regs = /* @__PURE__ */ new Struct<kvm_sync_regs>('kvm_sync_regs', 8, 'device_irq_level@0:u64')

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

/** struct kvm_smccc_filter. */
export interface kvm_smccc_filter {
  base: number
  nr_functions: number
  action: number
}
export const kvm_smccc_filter = /* @__PURE__ */ new Struct<kvm_smccc_filter>(
  'kvm_smccc_filter',
  24,
  'base@0:u32 nr_functions@4:u32 action@8:u8',
)

/** struct kvm_vcpu_events. */
export interface kvm_vcpu_events {
  exception: {
    serror_pending: number
    serror_has_esr: number
    ext_dabt_pending: number
    serror_esr: bigint
  }
}
export const kvm_vcpu_events = /* @__PURE__ */ new Struct<kvm_vcpu_events>(
  'kvm_vcpu_events',
  64,
  'exception.serror_pending@0:u8 exception.serror_has_esr@1:u8 exception.ext_dabt_pending@2:u8 exception.serror_esr@8:u64',
)

/** struct kvm_vcpu_init. */
export interface kvm_vcpu_init {
  target: number
  features: number[]
}
export const kvm_vcpu_init = /* @__PURE__ */ new Struct<kvm_vcpu_init>(
  'kvm_vcpu_init',
  32,
  'target@0:u32 features@4:u32[7]',
)

/** struct reg_mask_range. */
export interface reg_mask_range {
  addr: bigint
  range: number
}
export const reg_mask_range = /* @__PURE__ */ new Struct<reg_mask_range>('reg_mask_range', 64, 'addr@0:u64 range@8:u32')
