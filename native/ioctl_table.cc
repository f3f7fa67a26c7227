#include "ioctl_table.h"

#include <array>
#include <cstring>

#include "uapi/kvm.h"

namespace node_kvm {
namespace {

constexpr IoctlRow None(const char* name, unsigned long request, std::uint32_t fds) {
  return {name, request, fds, ArgShape::kNone};
}

constexpr IoctlRow Value(const char* name, unsigned long request, std::uint32_t fds, std::uint32_t creates = 0) {
  return {name, request, fds, ArgShape::kValue, 0, 0, 0, creates};
}

// The size is the one that the request number itself carries.
constexpr IoctlRow Struct(const char* name, unsigned long request, std::uint32_t fds) {
  return {name, request, fds, ArgShape::kStruct, _IOC_SIZE(request)};
}

constexpr IoctlRow Counted(const char* name, unsigned long request, std::uint32_t fds, std::size_t count_offset,
                           std::size_t entry_size) {
  return {name, request, fds, ArgShape::kCounted, _IOC_SIZE(request), count_offset, entry_size};
}

// A row under the kernel's own name.
#define ROW(shape, request, ...) shape(#request, request, __VA_ARGS__)

constexpr auto kTable = std::to_array<IoctlRow>({
    ROW(None, KVM_GET_API_VERSION, kSystemFd),
    ROW(Value, KVM_CREATE_VM, kSystemFd, kVmFd),
    ROW(Value, KVM_CHECK_EXTENSION, kSystemFd | kVmFd),
    ROW(None, KVM_GET_VCPU_MMAP_SIZE, kSystemFd),
    ROW(Value, KVM_CREATE_VCPU, kVmFd, kVcpuFd),
    ROW(None, KVM_CREATE_IRQCHIP, kVmFd),
    ROW(Struct, KVM_IRQ_LINE, kVmFd),
    ROW(Counted, KVM_SET_GSI_ROUTING, kVmFd, offsetof(kvm_irq_routing, nr), sizeof(kvm_irq_routing_entry)),
    ROW(Struct, KVM_SIGNAL_MSI, kVmFd),
    ROW(Struct, KVM_GET_MP_STATE, kVcpuFd),
    ROW(Struct, KVM_SET_MP_STATE, kVcpuFd),
    ROW(Struct, KVM_GET_VCPU_EVENTS, kVcpuFd),
    ROW(Struct, KVM_SET_VCPU_EVENTS, kVcpuFd),
    ROW(Struct, KVM_SET_GUEST_DEBUG, kVcpuFd),
#ifdef __x86_64__
    ROW(Counted, KVM_GET_MSR_INDEX_LIST, kSystemFd, offsetof(kvm_msr_list, nmsrs), sizeof(__u32)),
    ROW(Counted, KVM_GET_SUPPORTED_CPUID, kSystemFd, offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
    ROW(Counted, KVM_GET_EMULATED_CPUID, kSystemFd, offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
    ROW(Value, KVM_SET_TSS_ADDR, kVmFd),
    ROW(Struct, KVM_SET_IDENTITY_MAP_ADDR, kVmFd),
    ROW(Struct, KVM_CREATE_PIT2, kVmFd),
    ROW(Struct, KVM_GET_PIT2, kVmFd),
    ROW(Struct, KVM_SET_PIT2, kVmFd),
    ROW(Struct, KVM_GET_IRQCHIP, kVmFd),
    ROW(Struct, KVM_SET_IRQCHIP, kVmFd),
    ROW(Struct, KVM_GET_CLOCK, kVmFd),
    ROW(Struct, KVM_SET_CLOCK, kVmFd),
    ROW(None, KVM_KVMCLOCK_CTRL, kVcpuFd),
    ROW(Struct, KVM_GET_REGS, kVcpuFd),
    ROW(Struct, KVM_SET_REGS, kVcpuFd),
    ROW(Struct, KVM_GET_SREGS, kVcpuFd),
    ROW(Struct, KVM_SET_SREGS, kVcpuFd),
    ROW(Struct, KVM_GET_FPU, kVcpuFd),
    ROW(Struct, KVM_SET_FPU, kVcpuFd),
    ROW(Struct, KVM_GET_LAPIC, kVcpuFd),
    ROW(Struct, KVM_SET_LAPIC, kVcpuFd),
    ROW(Struct, KVM_GET_DEBUGREGS, kVcpuFd),
    ROW(Struct, KVM_SET_DEBUGREGS, kVcpuFd),
    ROW(Counted, KVM_GET_MSRS, kVcpuFd, offsetof(kvm_msrs, nmsrs), sizeof(kvm_msr_entry)),
    ROW(Counted, KVM_SET_MSRS, kVcpuFd, offsetof(kvm_msrs, nmsrs), sizeof(kvm_msr_entry)),
    ROW(Counted, KVM_GET_CPUID2, kVcpuFd, offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
    ROW(Counted, KVM_SET_CPUID2, kVcpuFd, offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
#endif
});

#undef ROW

}  // namespace

std::span<const IoctlRow> IoctlTable() { return kTable; }

bool FitsRow(const IoctlRow& row, std::span<const std::uint8_t> bytes) {
  if (row.shape == ArgShape::kStruct) return bytes.size() == row.size;
  if (row.shape != ArgShape::kCounted || bytes.size() < row.size) return false;
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + row.count_offset, sizeof count);
  return bytes.size() == row.size + std::size_t{count} * row.entry_size;
}

}  // namespace node_kvm
