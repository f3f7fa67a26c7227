// A KVM file descriptor and what must outlive it: its parent, and for a VM the memory that the VM's slots use.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "coalesced_writes.h"
#include "memory.h"
#include "register_page.h"
#include "unique_fd.h"

namespace node_kvm {

// The kinds of descriptor; a bit each, so that a row of the ioctl table can name several. A further kind, a file's for instance, is a
// bit here, a class (fd.h) in the list of addon.cc, and rows that name it.
enum FdKind : std::uint32_t {
  kSystemFd = 1U << 0,
  kVmFd = 1U << 1,
  kVcpuFd = 1U << 2,
  kDeviceFd = 1U << 3,    // KVM_CREATE_DEVICE
  kGuestMemFd = 1U << 4,  // KVM_CREATE_GUEST_MEMFD
  kStatsFd = 1U << 5,     // KVM_GET_STATS_FD
  kVhostFd = 1U << 6,     // /dev/vhost-net
};

struct Vm;

struct Descriptor {
  Descriptor(UniqueFd descriptor, FdKind fd_kind, std::shared_ptr<Descriptor> parent_descriptor)
      : parent(std::move(parent_descriptor)),
        vm(parent ? parent->vm : nullptr),
        kind(fd_kind),
        fd(std::move(descriptor)) {}

  // Members go in reverse order: the descriptor is closed before its parent is let go.
  std::shared_ptr<Descriptor> parent;
  Vm* vm;  // the VM that it is, or is a part of; null for what is above VMs
  FdKind kind;
  UniqueFd fd;
};

struct Vm : Descriptor {
  Vm(UniqueFd descriptor, std::shared_ptr<Descriptor> system)
      : Descriptor(std::move(descriptor), kVmFd, std::move(system)) {
    vm = this;
  }
  ~Vm() { fd = UniqueFd(); }  // it is closed before its memory is let go
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  // For the JavaScript thread: whether a vCPU that touches its memory may have to wait until that thread answers.
  [[nodiscard]] bool MayWaitForJavaScript() const {
    if (open_userfaults == 0) return false;
    return std::ranges::any_of(slots, [](const auto& slot) { return bool{slot.second.memory().end_userfault}; });
  }
  // And whether one may be waiting, with the kernel's lock on the VM's tables: who changes those waits for it.
  [[nodiscard]] bool MayBeWaiting() const { return threads != 0 && MayWaitForJavaScript(); }

  std::map<std::uint32_t, MemorySlot> slots;
  RegisterPage registers;
  CoalescedWrites coalesced;
  std::atomic<int> threads = 0;  // of its vCPUs
};

}  // namespace node_kvm
