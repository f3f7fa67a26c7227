#include "ioctl_table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "uapi/kvm.h"
#include "uapi/vhost.h"

namespace node_kvm {
namespace {

// A member of a struct that lies in a buffer, which need not be aligned.
template <typename T>
T Read(const std::uint8_t* argument, std::size_t offset) {
  T value;
  std::memcpy(&value, argument + offset, sizeof value);
  return value;
}
#define MEMBER(argument, type, member) Read<decltype(type::member)>(argument, offsetof(type, member))

// One bit for each page, in whole 64-bit words.
constexpr std::size_t BitmapBytes(std::uint64_t bits) { return (bits + 63) / 64 * 8; }

// What the kernel knows as a device's attribute is a number or a small struct; this is more than any of them.
constexpr std::size_t kLargestAttribute = 4096;

constexpr std::array kOneReg = {
    Link{LinkKind::kBuffer, offsetof(kvm_one_reg, addr), [](const Descriptor&, const std::uint8_t* argument) {
           // KVM_REG_SIZE
           return std::size_t{1} << ((MEMBER(argument, kvm_one_reg, id) >> 52) & 0xf);
         }}};
constexpr std::array kDeviceAttr = {Link{LinkKind::kBuffer, offsetof(kvm_device_attr, addr),
                                         [](const Descriptor&, const std::uint8_t*) { return kLargestAttribute; }}};
constexpr std::array kDirtyLog = {Link{LinkKind::kBuffer, offsetof(kvm_dirty_log, dirty_bitmap),
                                       [](const Descriptor& descriptor, const std::uint8_t* argument) {
                                         const auto& slots = descriptor.vm->slots;
                                         const auto slot = slots.find(MEMBER(argument, kvm_dirty_log, slot));
                                         const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
                                         return slot == slots.end() ? 0 : BitmapBytes(slot->second.size() / page_size);
                                       }}};
constexpr std::array kClearDirtyLog = {Link{LinkKind::kBuffer, offsetof(kvm_clear_dirty_log, dirty_bitmap),
                                            [](const Descriptor&, const std::uint8_t* argument) {
                                              return BitmapBytes(MEMBER(argument, kvm_clear_dirty_log, num_pages));
                                            }}};
// Of all capabilities one has an address as its argument, to which the kernel writes 16 bits.
constexpr std::array kEnableCap = {
    Link{LinkKind::kBuffer, offsetof(kvm_enable_cap, args),
         [](const Descriptor&, const std::uint8_t* argument) -> std::size_t {
           return MEMBER(argument, kvm_enable_cap, cap) == KVM_CAP_HYPERV_ENLIGHTENED_VMCS ? 2 : kNoAddress;
         }}};

constexpr std::array kVringEvent = {Link{LinkKind::kEventFd, offsetof(vhost_vring_file, fd)}};
constexpr std::array kVringTap = {Link{LinkKind::kTap, offsetof(vhost_vring_file, fd)}};

#ifdef __x86_64__
template <std::size_t Index>
constexpr Link MsrBitmap() {
  constexpr std::size_t range = offsetof(kvm_msr_filter, ranges) + Index * sizeof(kvm_msr_filter_range);
  return {LinkKind::kBuffer, range + offsetof(kvm_msr_filter_range, bitmap),
          [](const Descriptor&, const std::uint8_t* argument) {
            const auto count = Read<__u32>(argument, range + offsetof(kvm_msr_filter_range, nmsrs));
            return BitmapBytes(count);
          }};
}
template <std::size_t... Index>
constexpr auto MsrBitmaps(std::index_sequence<Index...>) {
  return std::array{MsrBitmap<Index>()...};
}
constexpr auto kMsrFilter = MsrBitmaps(std::make_index_sequence<KVM_MSR_FILTER_MAX_RANGES>());

constexpr std::array kHypervEventfd = {Link{LinkKind::kEventFd, offsetof(kvm_hyperv_eventfd, fd)}};
// More than any command's struct: of TDX's, which have a list of CPUID, too. JavaScript's number of a command means one of SEV's
// or one of TDX's, and the VM's type, which is not known here, says which.
constexpr std::size_t kLargestCommand = 16384;
constexpr std::array kEncryptOp = {Link{LinkKind::kBuffer, offsetof(kvm_sev_cmd, data),
                                        [](const Descriptor&, const std::uint8_t*) { return kLargestCommand; }},
                                   Link{LinkKind::kOwnFd, offsetof(kvm_sev_cmd, sev_fd)}};
constexpr std::array kEncryptRegion = {Link{LinkKind::kMemory, offsetof(kvm_enc_region, addr)}};

// The commands whose own struct has addresses in it: all but these.
bool EncryptNamesHost(const std::uint8_t* argument) {
  switch (MEMBER(argument, kvm_sev_cmd, id)) {
    case KVM_SEV_INIT:
    case KVM_SEV_ES_INIT:
    case KVM_SEV_INIT2:
    case KVM_SEV_LAUNCH_UPDATE_VMSA:
    case KVM_SEV_LAUNCH_FINISH:
    case KVM_SEV_GUEST_STATUS:
    case KVM_SEV_SEND_FINISH:
    case KVM_SEV_SEND_CANCEL:
    case KVM_SEV_RECEIVE_FINISH:
      return false;
    default:
      return true;
  }
}

// Pages that the kernel would copy into the guest as its hypercall page.
bool XenConfigNamesHost(const std::uint8_t* argument) {
  const auto config = Read<kvm_xen_hvm_config>(argument, 0);
  return config.blob_addr_32 != 0 || config.blob_addr_64 != 0 || config.blob_size_32 != 0 || config.blob_size_64 != 0;
}

// The attributes up to these have none, but for an event channel: without a port the same bytes are a descriptor
// (kvm_xen_eventfd_assign() in arch/x86/kvm/xen.c).
bool XenNamesHost(const std::uint8_t* argument) {
  const auto attribute = Read<kvm_xen_hvm_attr>(argument, 0);
  if (attribute.type == KVM_XEN_ATTR_TYPE_EVTCHN) {
    return attribute.u.evtchn.flags == 0 && attribute.u.evtchn.deliver.port.port == 0;
  }
  return attribute.type > KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG;
}
bool XenVcpuNamesHost(const std::uint8_t* argument) {
  return MEMBER(argument, kvm_xen_vcpu_attr, type) > KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR;
}

// What KVM_SET_XSAVE reads and KVM_GET_XSAVE2 writes depends on the features that the vCPU has been given.
std::size_t XsaveSize(const Descriptor& vcpu) {
  const int size = ioctl(vcpu.parent->fd.get(), KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
  return std::max(sizeof(kvm_xsave), static_cast<std::size_t>(std::max(size, 0)));
}
#else
constexpr std::array kMteTags = {
    Link{LinkKind::kBuffer, offsetof(kvm_arm_copy_mte_tags, addr), [](const Descriptor&, const std::uint8_t* argument) {
           // A tag for each 16 bytes.
           return static_cast<std::size_t>(MEMBER(argument, kvm_arm_copy_mte_tags, length) / 16);
         }}};
constexpr std::array kRegMasks = {Link{
    LinkKind::kBuffer, offsetof(reg_mask_range, addr),
    [](const Descriptor&, const std::uint8_t*) { return std::size_t{KVM_ARM_FEATURE_ID_RANGE_SIZE} * sizeof(__u64); }}};
#endif

constexpr IoctlRow None(const char* name, unsigned long request, std::uint32_t fds, std::uint32_t creates = 0) {
  return {.name = name, .request = request, .fds = fds, .shape = ArgShape::kNone, .creates = creates};
}

constexpr IoctlRow Value(const char* name, unsigned long request, std::uint32_t fds, std::uint32_t creates = 0) {
  return {.name = name, .request = request, .fds = fds, .shape = ArgShape::kValue, .creates = creates};
}

// The size is the one that the request number itself carries.
constexpr IoctlRow Struct(const char* name, unsigned long request, std::uint32_t fds,
                          std::span<const Link> links = {}) {
  return {.name = name,
          .request = request,
          .fds = fds,
          .shape = ArgShape::kStruct,
          .size = _IOC_SIZE(request),
          .links = links};
}

constexpr IoctlRow Sized(const char* name, unsigned long request, std::uint32_t fds, std::size_t size,
                         std::span<const Link> links = {}) {
  IoctlRow row = Struct(name, request, fds, links);
  row.size = size;
  return row;
}

constexpr IoctlRow Varying(const char* name, unsigned long request, std::uint32_t fds,
                           std::size_t (*needed)(const Descriptor&)) {
  IoctlRow row = Struct(name, request, fds);
  row.needed = needed;
  return row;
}

constexpr IoctlRow Counted(const char* name, unsigned long request, std::uint32_t fds, std::size_t size,
                           std::size_t count_offset, std::size_t entry_size, std::size_t count_width = 4) {
  return {.name = name,
          .request = request,
          .fds = fds,
          .shape = ArgShape::kCounted,
          .size = size,
          .count_offset = count_offset,
          .count_width = count_width,
          .entry_size = entry_size};
}

constexpr IoctlRow Creating(const char* name, unsigned long request, std::uint32_t fds, std::uint32_t creates,
                            std::size_t fd_offset = kNowhere) {
  IoctlRow row = Struct(name, request, fds);
  row.creates = creates;
  row.fd_offset = fd_offset;
  return row;
}

constexpr IoctlRow BehindVcpus(IoctlRow row) {
  row.waits_for = WaitsFor::kVcpus;
  return row;
}

constexpr IoctlRow OnMemory(IoctlRow row) {
  row.waits_for = WaitsFor::kMemory;
  return row;
}

constexpr IoctlRow AtLeast(std::size_t bytes, IoctlRow row) {
  row.least = bytes;
  return row;
}

constexpr IoctlRow UnlessItNamesHost(bool (*names_host)(const std::uint8_t*), IoctlRow row) {
  row.names_host = names_host;
  return row;
}

// A row under the kernel's own name.
#define ROW(shape, request, ...) shape(#request, request, __VA_ARGS__)

constexpr auto kTable = std::to_array<IoctlRow>({
    ROW(None, KVM_GET_API_VERSION, kSystemFd),
    ROW(Value, KVM_CREATE_VM, kSystemFd, kVmFd),
    ROW(Value, KVM_CHECK_EXTENSION, kSystemFd | kVmFd),
    ROW(None, KVM_GET_VCPU_MMAP_SIZE, kSystemFd),
    ROW(Struct, KVM_ENABLE_CAP, kVmFd | kVcpuFd, kEnableCap),
    BehindVcpus(ROW(Value, KVM_CREATE_VCPU, kVmFd, kVcpuFd)),
    BehindVcpus(ROW(None, KVM_CREATE_IRQCHIP, kVmFd)),
    ROW(Struct, KVM_IRQ_LINE, kVmFd),
    ROW(Struct, KVM_IRQ_LINE_STATUS, kVmFd),
    ROW(Counted, KVM_SET_GSI_ROUTING, kVmFd, sizeof(kvm_irq_routing), offsetof(kvm_irq_routing, nr),
        sizeof(kvm_irq_routing_entry)),
    ROW(Struct, KVM_SIGNAL_MSI, kVmFd),
    ROW(Struct, KVM_GET_DIRTY_LOG, kVmFd, kDirtyLog),
    ROW(Struct, KVM_CLEAR_DIRTY_LOG, kVmFd, kClearDirtyLog),
    ROW(None, KVM_RESET_DIRTY_RINGS, kVmFd),
    ROW(Creating, KVM_CREATE_DEVICE, kVmFd, kDeviceFd, offsetof(kvm_create_device, fd)),
    ROW(Creating, KVM_CREATE_GUEST_MEMFD, kVmFd, kGuestMemFd),
    ROW(Struct, KVM_SET_MEMORY_ATTRIBUTES, kVmFd),
    OnMemory(ROW(Struct, KVM_PRE_FAULT_MEMORY, kVcpuFd)),
    ROW(None, KVM_GET_STATS_FD, kVmFd | kVcpuFd, kStatsFd),
    OnMemory(ROW(Struct, KVM_SET_DEVICE_ATTR, kSystemFd | kVmFd | kVcpuFd | kDeviceFd, kDeviceAttr)),
    ROW(Struct, KVM_GET_DEVICE_ATTR, kSystemFd | kVmFd | kVcpuFd | kDeviceFd, kDeviceAttr),
    ROW(Struct, KVM_HAS_DEVICE_ATTR, kSystemFd | kVmFd | kVcpuFd | kDeviceFd),
    ROW(Struct, KVM_GET_ONE_REG, kVcpuFd, kOneReg),
    ROW(Struct, KVM_SET_ONE_REG, kVcpuFd, kOneReg),
    ROW(Counted, KVM_GET_REG_LIST, kVcpuFd, sizeof(__u64), offsetof(kvm_reg_list, n), sizeof(__u64), sizeof(__u64)),
    ROW(Struct, KVM_GET_MP_STATE, kVcpuFd),
    ROW(Struct, KVM_SET_MP_STATE, kVcpuFd),
    ROW(Struct, KVM_GET_VCPU_EVENTS, kVcpuFd),
    ROW(Struct, KVM_SET_VCPU_EVENTS, kVcpuFd),
    ROW(Struct, KVM_SET_GUEST_DEBUG, kVcpuFd),
    ROW(Struct, VHOST_GET_FEATURES, kVhostFd),
    ROW(Struct, VHOST_SET_FEATURES, kVhostFd),
    ROW(Struct, VHOST_SET_VRING_NUM, kVhostFd),
    ROW(Struct, VHOST_SET_VRING_BASE, kVhostFd),
    ROW(Struct, VHOST_GET_VRING_BASE, kVhostFd),
    ROW(Struct, VHOST_SET_VRING_KICK, kVhostFd, kVringEvent),
    ROW(Struct, VHOST_SET_VRING_CALL, kVhostFd, kVringEvent),
    ROW(Struct, VHOST_SET_VRING_ERR, kVhostFd, kVringEvent),
    ROW(Struct, VHOST_NET_SET_BACKEND, kVhostFd, kVringTap),
#ifdef __x86_64__
    ROW(Counted, KVM_GET_MSR_INDEX_LIST, kSystemFd, sizeof(kvm_msr_list), offsetof(kvm_msr_list, nmsrs), sizeof(__u32)),
    ROW(Counted, KVM_GET_MSR_FEATURE_INDEX_LIST, kSystemFd, sizeof(kvm_msr_list), offsetof(kvm_msr_list, nmsrs),
        sizeof(__u32)),
    ROW(Counted, KVM_GET_SUPPORTED_CPUID, kSystemFd, sizeof(kvm_cpuid2), offsetof(kvm_cpuid2, nent),
        sizeof(kvm_cpuid_entry2)),
    ROW(Counted, KVM_GET_EMULATED_CPUID, kSystemFd, sizeof(kvm_cpuid2), offsetof(kvm_cpuid2, nent),
        sizeof(kvm_cpuid_entry2)),
    ROW(Counted, KVM_GET_SUPPORTED_HV_CPUID, kSystemFd | kVcpuFd, sizeof(kvm_cpuid2), offsetof(kvm_cpuid2, nent),
        sizeof(kvm_cpuid_entry2)),
    ROW(Struct, KVM_X86_GET_MCE_CAP_SUPPORTED, kSystemFd),
    BehindVcpus(ROW(Value, KVM_SET_TSS_ADDR, kVmFd)),
    ROW(Struct, KVM_SET_IDENTITY_MAP_ADDR, kVmFd),
    ROW(Value, KVM_SET_BOOT_CPU_ID, kVmFd),
    ROW(Value, KVM_SET_NR_MMU_PAGES, kVmFd),
    ROW(None, KVM_GET_NR_MMU_PAGES, kVmFd),
    BehindVcpus(ROW(Struct, KVM_CREATE_PIT2, kVmFd)),
    ROW(Struct, KVM_GET_PIT2, kVmFd),
    ROW(Struct, KVM_SET_PIT2, kVmFd),
    // Its number says that it has no argument.
    ROW(Sized, KVM_REINJECT_CONTROL, kVmFd, sizeof(kvm_reinject_control)),
    ROW(Struct, KVM_GET_IRQCHIP, kVmFd),
    ROW(Struct, KVM_SET_IRQCHIP, kVmFd),
    ROW(Struct, KVM_GET_CLOCK, kVmFd),
    ROW(Struct, KVM_SET_CLOCK, kVmFd),
    BehindVcpus(ROW(Struct, KVM_X86_SET_MSR_FILTER, kVmFd, kMsrFilter)),
    BehindVcpus(ROW(Counted, KVM_SET_PMU_EVENT_FILTER, kVmFd, offsetof(kvm_pmu_event_filter, events),
                    offsetof(kvm_pmu_event_filter, nevents), sizeof(__u64))),
    BehindVcpus(ROW(Struct, KVM_HYPERV_EVENTFD, kVmFd, kHypervEventfd)),
    UnlessItNamesHost(XenConfigNamesHost, ROW(Struct, KVM_XEN_HVM_CONFIG, kVmFd)),
    ROW(Struct, KVM_XEN_HVM_GET_ATTR, kVmFd),
    BehindVcpus(UnlessItNamesHost(XenNamesHost, ROW(Struct, KVM_XEN_HVM_SET_ATTR, kVmFd))),
    ROW(Struct, KVM_XEN_HVM_EVTCHN_SEND, kVmFd),
    // Its number says that it has a long.
    UnlessItNamesHost(EncryptNamesHost, ROW(Sized, KVM_MEMORY_ENCRYPT_OP, kVmFd, sizeof(kvm_sev_cmd), kEncryptOp)),
    OnMemory(ROW(Struct, KVM_MEMORY_ENCRYPT_REG_REGION, kVmFd, kEncryptRegion)),
    ROW(Struct, KVM_MEMORY_ENCRYPT_UNREG_REGION, kVmFd, kEncryptRegion),
    ROW(None, KVM_KVMCLOCK_CTRL, kVcpuFd),
    ROW(None, KVM_NMI, kVcpuFd),
    ROW(None, KVM_SMI, kVcpuFd),
    ROW(Struct, KVM_INTERRUPT, kVcpuFd),
    OnMemory(ROW(Struct, KVM_TRANSLATE, kVcpuFd)),
    ROW(Struct, KVM_GET_REGS, kVcpuFd),
    ROW(Struct, KVM_SET_REGS, kVcpuFd),
    ROW(Struct, KVM_GET_SREGS, kVcpuFd),
    ROW(Struct, KVM_SET_SREGS, kVcpuFd),
    ROW(Struct, KVM_GET_SREGS2, kVcpuFd),
    ROW(Struct, KVM_SET_SREGS2, kVcpuFd),
    ROW(Struct, KVM_GET_FPU, kVcpuFd),
    ROW(Struct, KVM_SET_FPU, kVcpuFd),
    ROW(Struct, KVM_GET_XSAVE, kVcpuFd),
    ROW(Varying, KVM_GET_XSAVE2, kVcpuFd, XsaveSize),
    ROW(Varying, KVM_SET_XSAVE, kVcpuFd, XsaveSize),
    ROW(Struct, KVM_GET_XCRS, kVcpuFd),
    ROW(Struct, KVM_SET_XCRS, kVcpuFd),
    ROW(Struct, KVM_GET_LAPIC, kVcpuFd),
    ROW(Struct, KVM_SET_LAPIC, kVcpuFd),
    ROW(Struct, KVM_GET_DEBUGREGS, kVcpuFd),
    ROW(Struct, KVM_SET_DEBUGREGS, kVcpuFd),
    ROW(Counted, KVM_GET_MSRS, kSystemFd | kVcpuFd, sizeof(kvm_msrs), offsetof(kvm_msrs, nmsrs), sizeof(kvm_msr_entry)),
    OnMemory(ROW(Counted, KVM_SET_MSRS, kVcpuFd, sizeof(kvm_msrs), offsetof(kvm_msrs, nmsrs), sizeof(kvm_msr_entry))),
    ROW(Counted, KVM_GET_CPUID2, kVcpuFd, sizeof(kvm_cpuid2), offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
    ROW(Counted, KVM_SET_CPUID2, kVcpuFd, sizeof(kvm_cpuid2), offsetof(kvm_cpuid2, nent), sizeof(kvm_cpuid_entry2)),
    // The count is one of bytes, of the whole.
    AtLeast(sizeof(kvm_nested_state),
            ROW(Counted, KVM_GET_NESTED_STATE, kVcpuFd, 0, offsetof(kvm_nested_state, size), 1)),
    OnMemory(AtLeast(sizeof(kvm_nested_state),
                     ROW(Counted, KVM_SET_NESTED_STATE, kVcpuFd, 0, offsetof(kvm_nested_state, size), 1))),
    ROW(Value, KVM_SET_TSC_KHZ, kVmFd | kVcpuFd),
    ROW(None, KVM_GET_TSC_KHZ, kVmFd | kVcpuFd),
    ROW(Struct, KVM_TPR_ACCESS_REPORTING, kVcpuFd),
    ROW(Struct, KVM_SET_VAPIC_ADDR, kVcpuFd),
    ROW(Struct, KVM_X86_SETUP_MCE, kVcpuFd),
    ROW(Struct, KVM_X86_SET_MCE, kVcpuFd),
    ROW(Struct, KVM_XEN_VCPU_GET_ATTR, kVcpuFd),
    OnMemory(UnlessItNamesHost(XenVcpuNamesHost, ROW(Struct, KVM_XEN_VCPU_SET_ATTR, kVcpuFd))),
#else
    ROW(Struct, KVM_ARM_PREFERRED_TARGET, kVmFd),
    ROW(Struct, KVM_ARM_SET_DEVICE_ADDR, kVmFd),
    OnMemory(ROW(Struct, KVM_ARM_MTE_COPY_TAGS, kVmFd, kMteTags)),
    ROW(Struct, KVM_ARM_SET_COUNTER_OFFSET, kVmFd),
    ROW(Struct, KVM_ARM_GET_REG_WRITABLE_MASKS, kVmFd, kRegMasks),
    ROW(Struct, KVM_ARM_VCPU_INIT, kVcpuFd),
    ROW(Struct, KVM_ARM_VCPU_FINALIZE, kVcpuFd),
#endif
});

#undef ROW
#undef MEMBER

}  // namespace

std::span<const IoctlRow> IoctlTable() { return kTable; }

bool FitsRow(const IoctlRow& row, const Descriptor& descriptor, std::span<const std::uint8_t> bytes) {
  if (row.needed != nullptr) return bytes.size() >= row.needed(descriptor);
  if (row.shape == ArgShape::kStruct) return bytes.size() == row.size;
  const std::size_t least = std::max({row.least, row.size, row.count_offset + row.count_width});
  if (row.shape != ArgShape::kCounted || bytes.size() < least) return false;
  std::uint64_t count = 0;
  std::memcpy(&count, bytes.data() + row.count_offset, row.count_width);
  const std::size_t room = bytes.size() - row.size;
  return count <= room && count * row.entry_size == room;
}

}  // namespace node_kvm
