import { lazy } from '../../lazy.js'
import { unknownName } from '../../validate.js'
import type { CpuidRegister } from './cpuid-entry.js'
import * as L from './cpuid-leaves.js'

/**
 * Feature bits: leaf, subleaf, register, and the names of its bits from bit 0 up, eight a line; `-` is a bit without a name. The names
 * are those of `/proc/cpuinfo`; where that has none, or one that no manual knows, the manual's in that spelling (Intel SDM vol. 2A,
 * CPUID; AMD APM vol. 3, appendix E; the kernel's documentation of KVM's CPUID bits).
 */
const ROWS = [
  [
    ...([L.LEAF_FEATURES, 0, 'ecx'] as const),
    'sse3 pclmulqdq dtes64 monitor ds_cpl vmx smx est',
    'tm2 ssse3 cid sdbg fma cx16 xtpr pdcm',
    '- pcid dca sse4_1 sse4_2 x2apic movbe popcnt',
    'tsc_deadline_timer aes xsave osxsave avx f16c rdrand hypervisor',
  ],
  [
    ...([L.LEAF_FEATURES, 0, 'edx'] as const),
    'fpu vme de pse tsc msr pae mce',
    'cx8 apic - sep mtrr pge mca cmov',
    'pat pse36 pn clflush - dts acpi mmx',
    'fxsr sse sse2 ss ht tm ia64 pbe',
  ],
  [...([L.LEAF_POWER, 0, 'eax'] as const), 'dtherm ida arat - pln - pts hwp'],
  [
    ...([L.LEAF_STRUCTURED_FEATURES, 0, 'ebx'] as const),
    'fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep',
    'bmi2 erms invpcid rtm cqm zero_fcs_fds mpx rdt_a',
    'avx512f avx512dq rdseed adx smap avx512ifma - clflushopt',
    'clwb intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl',
  ],
  [
    ...([L.LEAF_STRUCTURED_FEATURES, 0, 'ecx'] as const),
    'prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk',
    'gfni vaes vpclmulqdq avx512_vnni avx512_bitalg tme avx512_vpopcntdq -',
    'la57 - - - - - rdpid kl',
    'bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc pks',
  ],
  [
    ...([L.LEAF_STRUCTURED_FEATURES, 0, 'edx'] as const),
    '- - avx512_4vnniw avx512_4fmaps fsrm uintr - -',
    'avx512_vp2intersect srbds_ctrl md_clear rtm_always_abort - tsx_force_abort serialize hybrid_cpu',
    'tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16',
    'amx_tile amx_int8 spec_ctrl stibp flush_l1d arch_capabilities core_capabilities ssbd',
  ],
  [
    ...([L.LEAF_STRUCTURED_FEATURES, 1, 'eax'] as const),
    'sha512 sm3 sm4 rao_int avx_vnni avx512_bf16 lass cmpccxadd',
    'arch_perfmon_ext - fzrm fsrs fsrc - - -',
    '- fred lkgs wrmsrns nmi_src amx_fp16 hreset avx_ifma',
    '- - lam - - - - movrs',
  ],
  [
    ...([L.LEAF_STRUCTURED_FEATURES, 1, 'edx'] as const),
    '- - - - avx_vnni_int8 avx_ne_convert - -',
    'amx_complex - avx_vnni_int16 - - utmr prefetchiti user_msr',
    '- uiret_uif cet_sss avx10 - - - -',
  ],
  [...([L.LEAF_STRUCTURED_FEATURES, 2, 'edx'] as const), 'psfd ipred_ctrl rrsba_ctrl ddp_u bhi_ctrl mcdt_no - -'],
  [...([L.LEAF_XSAVE, 1, 'eax'] as const), 'xsaveopt xsavec xgetbv1 xsaves xfd - - -'],
  [
    ...([L.LEAF_KVM_FEATURES, 0, 'eax'] as const),
    'kvm_clocksource kvm_nop_io_delay kvm_mmu_op kvm_clocksource2 kvm_async_pf kvm_steal_time kvm_pv_eoi kvm_pv_unhalt',
    '- kvm_pv_tlb_flush kvm_async_pf_vmexit kvm_pv_send_ipi kvm_poll_control kvm_pv_sched_yield kvm_async_pf_int kvm_msi_ext_dest_id',
    'kvm_hc_map_gpa_range kvm_migration_control - - - - - -',
    'kvm_clocksource_stable_bit - - - - - - -',
  ],
  [...([L.LEAF_KVM_FEATURES, 0, 'edx'] as const), 'kvm_hints_realtime - - - - - - -'],
  [
    ...([L.LEAF_EXTENDED_FEATURES, 0, 'ecx'] as const),
    'lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse',
    '3dnowprefetch osvw ibs xop skinit wdt - lwp',
    'fma4 tce - nodeid_msr - tbm topoext perfctr_core',
    'perfctr_nb - bpext ptsc perfctr_llc mwaitx addr_mask_ext -',
  ],
  [
    ...([L.LEAF_EXTENDED_FEATURES, 0, 'edx'] as const),
    '- - - - - - - -',
    '- - - syscall - - - -',
    '- - - mp nx - mmxext -',
    '- fxsr_opt pdpe1gb rdtscp - lm 3dnowext 3dnow',
  ],
  [...([L.LEAF_AMD_POWER, 0, 'ebx'] as const), 'overflow_recov succor - smca - - - -'],
  [
    ...([L.LEAF_AMD_POWER, 0, 'edx'] as const),
    'ts fid vid ttp tc - 100mhzsteps hw_pstate',
    'invtsc cpb eff_freq_ro proc_feedback acc_power - - -',
  ],
  [
    ...([L.LEAF_AMD_SIZES, 0, 'ebx'] as const),
    'clzero irperf xsaveerptr invlpgb rdpru - mba mcommit',
    '- wbnoinvd - - amd_ibpb int_wbinvd amd_ibrs amd_stibp',
    'amd_ibrs_always_on amd_stibp_always_on ibrs_preferred ibrs_same_mode no_efer_lmsle invlpgb_nested - amd_ppin',
    'amd_ssbd virt_ssbd amd_ssb_no cppc amd_psfd btc_no amd_ibpb_ret brs',
  ],
  [
    ...([L.LEAF_AMD_SVM, 0, 'edx'] as const),
    'npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists',
    '- - pausefilter - pfthreshold avic - v_vmsave_vmload',
    'vgif gmet x2avic sss_check v_spec_ctrl rogpt - hostmceoverride',
    'v_tlbictl vnmi ibs_virt - svme_addr_chk - - -',
  ],
  [
    ...([L.LEAF_AMD_ENCRYPTION, 0, 'eax'] as const),
    'sme sev vm_page_flush sev_es sev_snp vmpl - -',
    '- v_tsc_aux sme_coherent - - - debug_swap -',
  ],
  [
    ...([L.LEAF_AMD_FEATURES_2, 0, 'eax'] as const),
    'no_nested_data_bp wrmsr_xx_base_ns lfence_rdtsc smm_pgcfg_lock - verw_clear null_sel_clr_base upper_addr_ignore',
    'autoibrs no_smm_ctl_msr amd_fsrs amd_fsrc - - - -',
    '- - - - - - - -',
    '- - - sbpb ibpb_brtype srso_no srso_user_kernel_no -',
  ],
] as const

type Words<Line extends string> = Line extends `${infer First} ${infer Rest}` ? First | Words<Rest> : Line
type Lines<Row> = Row extends readonly [number, number, CpuidRegister, ...infer Names extends string[]]
  ? Names[number]
  : never

/** A feature of a processor, of a hypervisor, or of KVM. */
export type CpuFeature = Exclude<Words<Lines<(typeof ROWS)[number]>>, '-'>

/** Where the bit of a feature is. */
export interface FeatureBit {
  leaf: number
  index: number
  register: CpuidRegister
  bit: number
}

/** By name, in the order of leaves. */
export const featureBits = lazy((): ReadonlyMap<CpuFeature, FeatureBit> => {
  const bits = new Map<CpuFeature, FeatureBit>()
  for (const [leaf, index, register, ...lines] of ROWS) {
    for (const [bit, name] of lines.join(' ').split(' ').entries()) {
      if (name !== '-') bits.set(name as CpuFeature, { leaf, index, register, bit })
    }
  }
  return bits
})

/** Every feature that has a name. */
export function cpuFeatures(): CpuFeature[] {
  return [...featureBits().keys()]
}

/** Where the bit of a feature is. Throws `ERR_KVM_INVALID_ARGUMENT` with the names that were perhaps meant. */
export function cpuFeature(name: CpuFeature): Readonly<FeatureBit> {
  const found = featureBits().get(name)
  if (found === undefined) throw unknownName('CPU feature', name, cpuFeatures())
  return found
}
