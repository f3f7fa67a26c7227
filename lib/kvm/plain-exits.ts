import { lazy } from '../lazy.js'
import type { ExitReason } from './exits.js'
import { EXIT_REASONS } from './generated/exits.js'

/** The kernel's name of an exit. */
type KernelExit = keyof typeof EXIT_REASONS

/** How the members of an exit are found in struct kvm_run, by the kernel's names. */
export interface ExitShape {
  reason: ExitReason
  /** Members read once. */
  read?: Record<string, string>
  /** Arrays of 64-bit words, copied. */
  readWords?: Record<string, string>
  /** Members that read and write the page: the VMM's answer. */
  live?: Record<string, string>
  /** Arrays of 64-bit words in the page. */
  liveWords?: Record<string, string>
}

/** The exits that need no code of their own, by the kernel's name. */
const shapes = lazy((): Partial<Record<KernelExit, ExitShape>> => ({
  KVM_EXIT_EXCEPTION: { reason: 'exception', read: { exception: 'ex.exception', errorCode: 'ex.error_code' } },
  KVM_EXIT_HYPERCALL: {
    reason: 'hypercall',
    read: { nr: 'hypercall.nr', longmode: 'hypercall.longmode' },
    readWords: { args: 'hypercall.args' },
    live: { ret: 'hypercall.ret' },
  },
  KVM_EXIT_DEBUG: {
    reason: 'debug',
    read: {
      exception: 'debug.arch.exception',
      pc: 'debug.arch.pc',
      dr6: 'debug.arch.dr6',
      dr7: 'debug.arch.dr7',
    },
  },
  KVM_EXIT_IRQ_WINDOW_OPEN: { reason: 'irq-window-open' },
  KVM_EXIT_SHUTDOWN: { reason: 'shutdown' },
  KVM_EXIT_FAIL_ENTRY: {
    reason: 'fail-entry',
    read: { hardwareEntryFailureReason: 'fail_entry.hardware_entry_failure_reason', cpu: 'fail_entry.cpu' },
  },
  KVM_EXIT_SET_TPR: { reason: 'set-tpr' },
  KVM_EXIT_TPR_ACCESS: { reason: 'tpr-access', read: { rip: 'tpr_access.rip', isWrite: 'tpr_access.is_write' } },
  KVM_EXIT_S390_SIEIC: {
    reason: 's390-sieic',
    read: { icptcode: 's390_sieic.icptcode', ipa: 's390_sieic.ipa', ipb: 's390_sieic.ipb' },
  },
  KVM_EXIT_S390_RESET: { reason: 's390-reset', read: { flags: 's390_reset_flags' } },
  KVM_EXIT_DCR: { reason: 'dcr', read: { dcrn: 'dcr.dcrn', isWrite: 'dcr.is_write' }, live: { data: 'dcr.data' } },
  KVM_EXIT_NMI: { reason: 'nmi' },
  KVM_EXIT_OSI: { reason: 'osi', readWords: { gprs: 'osi.gprs' } },
  KVM_EXIT_PAPR_HCALL: {
    reason: 'papr-hcall',
    read: { nr: 'papr_hcall.nr' },
    readWords: { args: 'papr_hcall.args' },
    live: { ret: 'papr_hcall.ret' },
  },
  KVM_EXIT_S390_UCONTROL: {
    reason: 's390-ucontrol',
    read: { transExcCode: 's390_ucontrol.trans_exc_code', pgmCode: 's390_ucontrol.pgm_code' },
  },
  KVM_EXIT_WATCHDOG: { reason: 'watchdog' },
  KVM_EXIT_S390_TSCH: {
    reason: 's390-tsch',
    read: {
      subchannelId: 's390_tsch.subchannel_id',
      subchannelNr: 's390_tsch.subchannel_nr',
      ioIntParm: 's390_tsch.io_int_parm',
      ioIntWord: 's390_tsch.io_int_word',
      ipb: 's390_tsch.ipb',
      dequeued: 's390_tsch.dequeued',
    },
  },
  KVM_EXIT_EPR: { reason: 'epr', live: { epr: 'epr.epr' } },
  KVM_EXIT_S390_STSI: {
    reason: 's390-stsi',
    read: {
      addr: 's390_stsi.addr',
      ar: 's390_stsi.ar',
      fc: 's390_stsi.fc',
      sel1: 's390_stsi.sel1',
      sel2: 's390_stsi.sel2',
    },
  },
  KVM_EXIT_IOAPIC_EOI: { reason: 'ioapic-eoi', read: { vector: 'eoi.vector' } },
  KVM_EXIT_ARM_NISV: { reason: 'arm-nisv', read: { esrIss: 'arm_nisv.esr_iss', faultIpa: 'arm_nisv.fault_ipa' } },
  KVM_EXIT_X86_RDMSR: {
    reason: 'x86-rdmsr',
    read: { index: 'msr.index', msrReason: 'msr.reason' },
    live: { data: 'msr.data', error: 'msr.error' },
  },
  KVM_EXIT_X86_WRMSR: {
    reason: 'x86-wrmsr',
    read: { index: 'msr.index', msrReason: 'msr.reason', data: 'msr.data' },
    live: { error: 'msr.error' },
  },
  KVM_EXIT_DIRTY_RING_FULL: { reason: 'dirty-ring-full' },
  KVM_EXIT_AP_RESET_HOLD: { reason: 'ap-reset-hold' },
  KVM_EXIT_X86_BUS_LOCK: { reason: 'x86-bus-lock' },
  KVM_EXIT_XEN: {
    reason: 'xen',
    read: { type: 'xen.type', longmode: 'xen.u.hcall.longmode', cpl: 'xen.u.hcall.cpl', input: 'xen.u.hcall.input' },
    readWords: { params: 'xen.u.hcall.params' },
    live: { result: 'xen.u.hcall.result' },
  },
  KVM_EXIT_RISCV_SBI: {
    reason: 'riscv-sbi',
    read: { extensionId: 'riscv_sbi.extension_id', functionId: 'riscv_sbi.function_id' },
    readWords: { args: 'riscv_sbi.args' },
    liveWords: { ret: 'riscv_sbi.ret' },
  },
  KVM_EXIT_RISCV_CSR: {
    reason: 'riscv-csr',
    read: { csrNum: 'riscv_csr.csr_num', newValue: 'riscv_csr.new_value', writeMask: 'riscv_csr.write_mask' },
    live: { retValue: 'riscv_csr.ret_value' },
  },
  KVM_EXIT_NOTIFY: { reason: 'notify', read: { flags: 'notify.flags' } },
  KVM_EXIT_MEMORY_FAULT: {
    reason: 'memory-fault',
    read: { flags: 'memory_fault.flags', gpa: 'memory_fault.gpa', size: 'memory_fault.size' },
  },
  KVM_EXIT_TDX: {
    reason: 'tdx',
    read: { flags: 'tdx.flags', nr: 'tdx.nr' },
    live: { ret: 'tdx.unknown.ret' },
    liveWords: { data: 'tdx.unknown.data' },
  },
  KVM_EXIT_ARM_SEA: {
    reason: 'arm-sea',
    read: { flags: 'arm_sea.flags', esr: 'arm_sea.esr', gva: 'arm_sea.gva', gpa: 'arm_sea.gpa' },
  },
  KVM_EXIT_ARM_LDST64B: {
    reason: 'arm-ldst64b',
    read: { esrIss: 'arm_nisv.esr_iss', faultIpa: 'arm_nisv.fault_ipa' },
  },
  KVM_EXIT_SNP_REQ_CERTS: {
    reason: 'snp-req-certs',
    read: { gpa: 'snp_req_certs.gpa' },
    live: { npages: 'snp_req_certs.npages', ret: 'snp_req_certs.ret' },
  },
}))

/** What is made of each of them, by the kernel's number. */
export function plainExits(): (readonly [number, ExitShape])[] {
  return (Object.entries(shapes()) as [KernelExit, ExitShape][]).map(([name, shape]) => [EXIT_REASONS[name], shape])
}
