#include "layout.h"

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "uapi/kvm.h"

namespace node_kvm {
namespace {

struct Field {
  std::string_view name;
  std::size_t offset;
  std::string_view type;
  std::size_t width;  // bytes of one element
  std::size_t count;
};

struct StructLayout {
  std::string_view name;
  std::size_t size;
  std::span<const Field> fields;
};

// The name under which a nested struct is laid out in its own right.
template <typename T>
inline constexpr std::string_view kStructName = "";
#ifdef __x86_64__
template <>
inline constexpr std::string_view kStructName<kvm_segment> = "kvm_segment";
template <>
inline constexpr std::string_view kStructName<kvm_dtable> = "kvm_dtable";
template <>
inline constexpr std::string_view kStructName<kvm_pit_channel_state> = "kvm_pit_channel_state";
#endif

template <typename Member>
constexpr Field Describe(std::string_view name, std::size_t offset) {
  using Element = std::remove_all_extents_t<Member>;
  std::string_view type = kStructName<Element>;
  if constexpr (std::is_integral_v<Element>) type = std::is_signed_v<Element> && sizeof(Element) > 1 ? "int" : "uint";
  // NOLINTNEXTLINE(bugprone-sizeof-expression): the same type twice where the member is no array
  return {name, offset, type, sizeof(Element), sizeof(Member) / sizeof(Element)};
}

#define FIELD(type, member) \
  Describe<std::remove_reference_t<decltype(std::declval<type&>().member)>>(#member, offsetof(type, member))

// A member of a payload that the header's kvm_run may lack: it lies at the start of the union.
#define EXIT_FIELD(prefix, type, member)                                           \
  Describe<std::remove_reference_t<decltype(std::declval<uapi::type&>().member)>>( \
      prefix "." #member, offsetof(kvm_run, padding) + offsetof(uapi::type, member))

constexpr auto kRun = std::to_array<Field>({
    FIELD(kvm_run, request_interrupt_window),
    FIELD(kvm_run, immediate_exit),
    FIELD(kvm_run, exit_reason),
    FIELD(kvm_run, ready_for_interrupt_injection),
    FIELD(kvm_run, if_flag),
    FIELD(kvm_run, flags),
    FIELD(kvm_run, cr8),
    FIELD(kvm_run, apic_base),
    FIELD(kvm_run, hw.hardware_exit_reason),
    FIELD(kvm_run, fail_entry.hardware_entry_failure_reason),
    FIELD(kvm_run, fail_entry.cpu),
    FIELD(kvm_run, ex.exception),
    FIELD(kvm_run, ex.error_code),
    FIELD(kvm_run, io.direction),
    FIELD(kvm_run, io.size),
    FIELD(kvm_run, io.port),
    FIELD(kvm_run, io.count),
    FIELD(kvm_run, io.data_offset),
#ifdef __x86_64__
    FIELD(kvm_run, debug.arch.exception),
    FIELD(kvm_run, debug.arch.pc),
    FIELD(kvm_run, debug.arch.dr6),
    FIELD(kvm_run, debug.arch.dr7),
#else
    FIELD(kvm_run, debug.arch.hsr),
    FIELD(kvm_run, debug.arch.hsr_high),
    FIELD(kvm_run, debug.arch.far),
#endif
    FIELD(kvm_run, mmio.phys_addr),
    FIELD(kvm_run, mmio.data),
    FIELD(kvm_run, mmio.len),
    FIELD(kvm_run, mmio.is_write),
    FIELD(kvm_run, hypercall.nr),
    FIELD(kvm_run, hypercall.args),
    FIELD(kvm_run, hypercall.ret),
    FIELD(kvm_run, hypercall.longmode),
    FIELD(kvm_run, tpr_access.rip),
    FIELD(kvm_run, tpr_access.is_write),
    FIELD(kvm_run, s390_sieic.icptcode),
    FIELD(kvm_run, s390_sieic.ipa),
    FIELD(kvm_run, s390_sieic.ipb),
    FIELD(kvm_run, s390_reset_flags),
    FIELD(kvm_run, s390_ucontrol.trans_exc_code),
    FIELD(kvm_run, s390_ucontrol.pgm_code),
    FIELD(kvm_run, dcr.dcrn),
    FIELD(kvm_run, dcr.data),
    FIELD(kvm_run, dcr.is_write),
    FIELD(kvm_run, internal.suberror),
    FIELD(kvm_run, internal.ndata),
    FIELD(kvm_run, internal.data),
    FIELD(kvm_run, emulation_failure.flags),
    FIELD(kvm_run, emulation_failure.insn_size),
    FIELD(kvm_run, emulation_failure.insn_bytes),
    FIELD(kvm_run, osi.gprs),
    FIELD(kvm_run, papr_hcall.nr),
    FIELD(kvm_run, papr_hcall.ret),
    FIELD(kvm_run, papr_hcall.args),
    FIELD(kvm_run, s390_tsch.subchannel_id),
    FIELD(kvm_run, s390_tsch.subchannel_nr),
    FIELD(kvm_run, s390_tsch.io_int_parm),
    FIELD(kvm_run, s390_tsch.io_int_word),
    FIELD(kvm_run, s390_tsch.ipb),
    FIELD(kvm_run, s390_tsch.dequeued),
    FIELD(kvm_run, epr.epr),
    FIELD(kvm_run, system_event.type),
    FIELD(kvm_run, system_event.ndata),
    FIELD(kvm_run, system_event.data),
    FIELD(kvm_run, s390_stsi.addr),
    FIELD(kvm_run, s390_stsi.ar),
    FIELD(kvm_run, s390_stsi.fc),
    FIELD(kvm_run, s390_stsi.sel1),
    FIELD(kvm_run, s390_stsi.sel2),
    FIELD(kvm_run, eoi.vector),
    FIELD(kvm_run, hyperv.type),
    FIELD(kvm_run, hyperv.u.synic.msr),
    FIELD(kvm_run, hyperv.u.synic.control),
    FIELD(kvm_run, hyperv.u.synic.evt_page),
    FIELD(kvm_run, hyperv.u.synic.msg_page),
    FIELD(kvm_run, hyperv.u.hcall.input),
    FIELD(kvm_run, hyperv.u.hcall.result),
    FIELD(kvm_run, hyperv.u.hcall.params),
    FIELD(kvm_run, hyperv.u.syndbg.msr),
    FIELD(kvm_run, hyperv.u.syndbg.control),
    FIELD(kvm_run, hyperv.u.syndbg.status),
    FIELD(kvm_run, hyperv.u.syndbg.send_page),
    FIELD(kvm_run, hyperv.u.syndbg.recv_page),
    FIELD(kvm_run, hyperv.u.syndbg.pending_page),
    FIELD(kvm_run, arm_nisv.esr_iss),
    FIELD(kvm_run, arm_nisv.fault_ipa),
    FIELD(kvm_run, msr.error),
    FIELD(kvm_run, msr.reason),
    FIELD(kvm_run, msr.index),
    FIELD(kvm_run, msr.data),
    FIELD(kvm_run, xen.type),
    FIELD(kvm_run, xen.u.hcall.longmode),
    FIELD(kvm_run, xen.u.hcall.cpl),
    FIELD(kvm_run, xen.u.hcall.input),
    FIELD(kvm_run, xen.u.hcall.result),
    FIELD(kvm_run, xen.u.hcall.params),
    FIELD(kvm_run, riscv_sbi.extension_id),
    FIELD(kvm_run, riscv_sbi.function_id),
    FIELD(kvm_run, riscv_sbi.args),
    FIELD(kvm_run, riscv_sbi.ret),
    FIELD(kvm_run, riscv_csr.csr_num),
    FIELD(kvm_run, riscv_csr.new_value),
    FIELD(kvm_run, riscv_csr.write_mask),
    FIELD(kvm_run, riscv_csr.ret_value),
    FIELD(kvm_run, notify.flags),
    EXIT_FIELD("iocsr_io", loongarch_iocsr_exit, phys_addr),
    EXIT_FIELD("iocsr_io", loongarch_iocsr_exit, data),
    EXIT_FIELD("iocsr_io", loongarch_iocsr_exit, len),
    EXIT_FIELD("iocsr_io", loongarch_iocsr_exit, is_write),
    EXIT_FIELD("memory_fault", memory_fault_exit, flags),
    EXIT_FIELD("memory_fault", memory_fault_exit, gpa),
    EXIT_FIELD("memory_fault", memory_fault_exit, size),
    EXIT_FIELD("tdx", tdx_exit, flags),
    EXIT_FIELD("tdx", tdx_exit, nr),
    EXIT_FIELD("tdx", tdx_exit, ret),
    EXIT_FIELD("tdx", tdx_exit, data),
    EXIT_FIELD("arm_sea", arm_sea_exit, flags),
    EXIT_FIELD("arm_sea", arm_sea_exit, esr),
    EXIT_FIELD("arm_sea", arm_sea_exit, gva),
    EXIT_FIELD("arm_sea", arm_sea_exit, gpa),
    EXIT_FIELD("snp_req_certs", snp_req_certs_exit, gpa),
    EXIT_FIELD("snp_req_certs", snp_req_certs_exit, npages),
    EXIT_FIELD("snp_req_certs", snp_req_certs_exit, ret),
    FIELD(kvm_run, kvm_valid_regs),
    FIELD(kvm_run, kvm_dirty_regs),
#ifdef __x86_64__
    {"s.regs.regs", offsetof(kvm_run, s.regs.regs), "kvm_regs", sizeof(kvm_regs), 1},
    {"s.regs.sregs", offsetof(kvm_run, s.regs.sregs), "kvm_sregs", sizeof(kvm_sregs), 1},
    {"s.regs.events", offsetof(kvm_run, s.regs.events), "kvm_vcpu_events", sizeof(kvm_vcpu_events), 1},
#endif
});

constexpr auto kIrqLevel = std::to_array<Field>({FIELD(kvm_irq_level, irq), FIELD(kvm_irq_level, level)});
constexpr auto kIrqRoutingEntry =
    std::to_array<Field>({FIELD(kvm_irq_routing_entry, gsi), FIELD(kvm_irq_routing_entry, type),
                          FIELD(kvm_irq_routing_entry, flags), FIELD(kvm_irq_routing_entry, u.irqchip.irqchip),
                          FIELD(kvm_irq_routing_entry, u.irqchip.pin), FIELD(kvm_irq_routing_entry, u.msi.address_lo),
                          FIELD(kvm_irq_routing_entry, u.msi.address_hi), FIELD(kvm_irq_routing_entry, u.msi.data)});
constexpr auto kMsi = std::to_array<Field>({FIELD(kvm_msi, address_lo), FIELD(kvm_msi, address_hi),
                                            FIELD(kvm_msi, data), FIELD(kvm_msi, flags), FIELD(kvm_msi, devid)});
constexpr auto kMpState = std::to_array<Field>({FIELD(kvm_mp_state, mp_state)});
constexpr auto kClockData = std::to_array<Field>({FIELD(kvm_clock_data, clock), FIELD(kvm_clock_data, flags),
                                                  FIELD(kvm_clock_data, realtime), FIELD(kvm_clock_data, host_tsc)});

#ifdef __x86_64__
constexpr auto kRegs = std::to_array<Field>(
    {FIELD(kvm_regs, rax), FIELD(kvm_regs, rbx), FIELD(kvm_regs, rcx), FIELD(kvm_regs, rdx), FIELD(kvm_regs, rsi),
     FIELD(kvm_regs, rdi), FIELD(kvm_regs, rsp), FIELD(kvm_regs, rbp), FIELD(kvm_regs, r8), FIELD(kvm_regs, r9),
     FIELD(kvm_regs, r10), FIELD(kvm_regs, r11), FIELD(kvm_regs, r12), FIELD(kvm_regs, r13), FIELD(kvm_regs, r14),
     FIELD(kvm_regs, r15), FIELD(kvm_regs, rip), FIELD(kvm_regs, rflags)});

constexpr auto kSegment = std::to_array<Field>(
    {FIELD(kvm_segment, base), FIELD(kvm_segment, limit), FIELD(kvm_segment, selector), FIELD(kvm_segment, type),
     FIELD(kvm_segment, present), FIELD(kvm_segment, dpl), FIELD(kvm_segment, db), FIELD(kvm_segment, s),
     FIELD(kvm_segment, l), FIELD(kvm_segment, g), FIELD(kvm_segment, avl), FIELD(kvm_segment, unusable)});

constexpr auto kDtable = std::to_array<Field>({FIELD(kvm_dtable, base), FIELD(kvm_dtable, limit)});

constexpr auto kSregs = std::to_array<Field>(
    {FIELD(kvm_sregs, cs), FIELD(kvm_sregs, ds), FIELD(kvm_sregs, es), FIELD(kvm_sregs, fs), FIELD(kvm_sregs, gs),
     FIELD(kvm_sregs, ss), FIELD(kvm_sregs, tr), FIELD(kvm_sregs, ldt), FIELD(kvm_sregs, gdt), FIELD(kvm_sregs, idt),
     FIELD(kvm_sregs, cr0), FIELD(kvm_sregs, cr2), FIELD(kvm_sregs, cr3), FIELD(kvm_sregs, cr4), FIELD(kvm_sregs, cr8),
     FIELD(kvm_sregs, efer), FIELD(kvm_sregs, apic_base), FIELD(kvm_sregs, interrupt_bitmap)});

constexpr auto kFpu = std::to_array<Field>({FIELD(kvm_fpu, fpr), FIELD(kvm_fpu, fcw), FIELD(kvm_fpu, fsw),
                                            FIELD(kvm_fpu, ftwx), FIELD(kvm_fpu, last_opcode), FIELD(kvm_fpu, last_ip),
                                            FIELD(kvm_fpu, last_dp), FIELD(kvm_fpu, xmm), FIELD(kvm_fpu, mxcsr)});

constexpr auto kDebugregs = std::to_array<Field>(
    {FIELD(kvm_debugregs, db), FIELD(kvm_debugregs, dr6), FIELD(kvm_debugregs, dr7), FIELD(kvm_debugregs, flags)});

constexpr auto kVcpuEvents = std::to_array<Field>({FIELD(kvm_vcpu_events, exception.injected),
                                                   FIELD(kvm_vcpu_events, exception.nr),
                                                   FIELD(kvm_vcpu_events, exception.has_error_code),
                                                   FIELD(kvm_vcpu_events, exception.pending),
                                                   FIELD(kvm_vcpu_events, exception.error_code),
                                                   FIELD(kvm_vcpu_events, interrupt.injected),
                                                   FIELD(kvm_vcpu_events, interrupt.nr),
                                                   FIELD(kvm_vcpu_events, interrupt.soft),
                                                   FIELD(kvm_vcpu_events, interrupt.shadow),
                                                   FIELD(kvm_vcpu_events, nmi.injected),
                                                   FIELD(kvm_vcpu_events, nmi.pending),
                                                   FIELD(kvm_vcpu_events, nmi.masked),
                                                   FIELD(kvm_vcpu_events, sipi_vector),
                                                   FIELD(kvm_vcpu_events, flags),
                                                   FIELD(kvm_vcpu_events, smi.smm),
                                                   FIELD(kvm_vcpu_events, smi.pending),
                                                   FIELD(kvm_vcpu_events, smi.smm_inside_nmi),
                                                   FIELD(kvm_vcpu_events, smi.latched_init),
                                                   FIELD(kvm_vcpu_events, triple_fault.pending),
                                                   FIELD(kvm_vcpu_events, exception_has_payload),
                                                   FIELD(kvm_vcpu_events, exception_payload)});

constexpr auto kGuestDebug =
    std::to_array<Field>({FIELD(kvm_guest_debug, control), FIELD(kvm_guest_debug, arch.debugreg)});

constexpr auto kPitConfig = std::to_array<Field>({FIELD(kvm_pit_config, flags)});

// Without count_load_time: the kernel writes its own when a state is set.
constexpr auto kPitChannelState =
    std::to_array<Field>({FIELD(kvm_pit_channel_state, count), FIELD(kvm_pit_channel_state, latched_count),
                          FIELD(kvm_pit_channel_state, count_latched), FIELD(kvm_pit_channel_state, status_latched),
                          FIELD(kvm_pit_channel_state, status), FIELD(kvm_pit_channel_state, read_state),
                          FIELD(kvm_pit_channel_state, write_state), FIELD(kvm_pit_channel_state, write_latch),
                          FIELD(kvm_pit_channel_state, rw_mode), FIELD(kvm_pit_channel_state, mode),
                          FIELD(kvm_pit_channel_state, bcd), FIELD(kvm_pit_channel_state, gate)});
constexpr auto kPitState2 = std::to_array<Field>({FIELD(kvm_pit_state2, channels), FIELD(kvm_pit_state2, flags)});

constexpr auto kIrqchip = std::to_array<Field>({
    FIELD(kvm_irqchip, chip_id),
    FIELD(kvm_irqchip, chip.pic.last_irr),
    FIELD(kvm_irqchip, chip.pic.irr),
    FIELD(kvm_irqchip, chip.pic.imr),
    FIELD(kvm_irqchip, chip.pic.isr),
    FIELD(kvm_irqchip, chip.pic.priority_add),
    FIELD(kvm_irqchip, chip.pic.irq_base),
    FIELD(kvm_irqchip, chip.pic.read_reg_select),
    FIELD(kvm_irqchip, chip.pic.poll),
    FIELD(kvm_irqchip, chip.pic.special_mask),
    FIELD(kvm_irqchip, chip.pic.init_state),
    FIELD(kvm_irqchip, chip.pic.auto_eoi),
    FIELD(kvm_irqchip, chip.pic.rotate_on_auto_eoi),
    FIELD(kvm_irqchip, chip.pic.special_fully_nested_mode),
    FIELD(kvm_irqchip, chip.pic.init4),
    FIELD(kvm_irqchip, chip.pic.elcr),
    FIELD(kvm_irqchip, chip.pic.elcr_mask),
    FIELD(kvm_irqchip, chip.ioapic.base_address),
    FIELD(kvm_irqchip, chip.ioapic.ioregsel),
    FIELD(kvm_irqchip, chip.ioapic.id),
    FIELD(kvm_irqchip, chip.ioapic.irr),
    // Each entry is a union of its 64 bits and of bit fields.
    {"chip.ioapic.redirtbl", offsetof(kvm_irqchip, chip.ioapic.redirtbl), "uint", sizeof(__u64), KVM_IOAPIC_NUM_PINS},
});

constexpr auto kCpuidEntry2 =
    std::to_array<Field>({FIELD(kvm_cpuid_entry2, function), FIELD(kvm_cpuid_entry2, index),
                          FIELD(kvm_cpuid_entry2, flags), FIELD(kvm_cpuid_entry2, eax), FIELD(kvm_cpuid_entry2, ebx),
                          FIELD(kvm_cpuid_entry2, ecx), FIELD(kvm_cpuid_entry2, edx)});

constexpr auto kMsrEntry = std::to_array<Field>({FIELD(kvm_msr_entry, index), FIELD(kvm_msr_entry, data)});
#endif

constexpr auto kStructs = std::to_array<StructLayout>({
    {"kvm_run", sizeof(kvm_run), kRun},
    {"kvm_irq_level", sizeof(kvm_irq_level), kIrqLevel},
    {"kvm_irq_routing_entry", sizeof(kvm_irq_routing_entry), kIrqRoutingEntry},
    {"kvm_msi", sizeof(kvm_msi), kMsi},
    {"kvm_mp_state", sizeof(kvm_mp_state), kMpState},
    {"kvm_clock_data", sizeof(kvm_clock_data), kClockData},
#ifdef __x86_64__
    {"kvm_regs", sizeof(kvm_regs), kRegs},
    {"kvm_segment", sizeof(kvm_segment), kSegment},
    {"kvm_dtable", sizeof(kvm_dtable), kDtable},
    {"kvm_sregs", sizeof(kvm_sregs), kSregs},
    {"kvm_fpu", sizeof(kvm_fpu), kFpu},
    {"kvm_debugregs", sizeof(kvm_debugregs), kDebugregs},
    {"kvm_vcpu_events", sizeof(kvm_vcpu_events), kVcpuEvents},
    {"kvm_guest_debug", sizeof(kvm_guest_debug), kGuestDebug},
    {"kvm_pit_config", sizeof(kvm_pit_config), kPitConfig},
    {"kvm_pit_channel_state", sizeof(kvm_pit_channel_state), kPitChannelState},
    {"kvm_pit_state2", sizeof(kvm_pit_state2), kPitState2},
    {"kvm_irqchip", sizeof(kvm_irqchip), kIrqchip},
    {"kvm_cpuid_entry2", sizeof(kvm_cpuid_entry2), kCpuidEntry2},
    {"kvm_msr_entry", sizeof(kvm_msr_entry), kMsrEntry},
#endif
});

#undef FIELD
#undef EXIT_FIELD

Napi::String ToString(Napi::Env env, std::string_view text) { return Napi::String::New(env, text.data(), text.size()); }

}  // namespace

Napi::Object Layout(Napi::Env env) {
  Napi::Object result = Napi::Object::New(env);
  for (const StructLayout& layout : kStructs) {
    Napi::Array fields = Napi::Array::New(env, layout.fields.size());
    std::uint32_t index = 0;
    for (const Field& field : layout.fields) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("name", ToString(env, field.name));
      object.Set("offset", Napi::Number::New(env, static_cast<double>(field.offset)));
      object.Set("type", ToString(env, field.type));
      object.Set("width", Napi::Number::New(env, static_cast<double>(field.width)));
      object.Set("count", Napi::Number::New(env, static_cast<double>(field.count)));
      fields.Set(index++, object);
    }
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("size", Napi::Number::New(env, static_cast<double>(layout.size)));
    entry.Set("fields", fields);
    result.Set(ToString(env, layout.name), entry);
  }
  return result;
}

}  // namespace node_kvm
