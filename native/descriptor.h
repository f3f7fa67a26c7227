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

// Which kinds of descriptor an ioctl may be issued on; a bit each, so that a row can name several.
enum FdKind : std::uint32_t {
  kSystemFd = 1U << 0,
  kVmFd = 1U << 1,
  kVcpuFd = 1U << 2,
  kDeviceFd = 1U << 3,    // KVM_CREATE_DEVICE
  kGuestMemFd = 1U << 4,  // KVM_CREATE_GUEST_MEMFD
  kStatsFd = 1U << 5,     // KVM_GET_STATS_FD
};

struct Descriptor {
  Descriptor(UniqueFd descriptor, FdKind fd_kind, std::shared_ptr<Descriptor> parent_descriptor)
      : parent(std::move(parent_descriptor)), kind(fd_kind), fd(std::move(descriptor)) {
    if (kind == kVmFd) registers = std::make_unique<RegisterPage>();
  }

  // Of a VM, for the JavaScript thread: whether a vCPU that touches its memory may have to wait until that thread answers.
  [[nodiscard]] bool MayWaitForJavaScript() const {
    if (open_userfaults == 0) return false;
    return std::ranges::any_of(slots, [](const auto& slot) { return bool{slot.second.memory().end_userfault}; });
  }
  // And whether one may be waiting, with the kernel's lock on the VM's tables: who changes those waits for it.
  [[nodiscard]] bool MayBeWaiting() const { return threads != 0 && MayWaitForJavaScript(); }

  // Members go in reverse order: the descriptor is closed first, then its memory is let go, then its parent.
  std::shared_ptr<Descriptor> parent;
  std::map<std::uint32_t, MemorySlot> slots;  // of a VM; empty for the other kinds
  std::unique_ptr<RegisterPage> registers;    // of a VM, too
  CoalescedWrites coalesced;
  std::atomic<int> threads = 0;  // of its vCPUs
  FdKind kind;
  UniqueFd fd;
};

}  // namespace node_kvm
