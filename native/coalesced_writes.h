// Posted writes that the kernel gathers: the guest is not even left for them (KVM API documentation,
// KVM_REGISTER_COALESCED_MMIO). The kernel tells nobody of them, so this is for a guest that writes to one address
// without pause: then its vCPU thread turns it on. From there on
//  - a vCPU thread takes what was gathered into its ring before it posts a write itself, and before it exits;
//  - JavaScript looks every millisecond, and makes a vCPU thread come out for writes that nobody takes;
//  - when writes have become few, that thread turns it off, so that a guest that has halted costs nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "register_page.h"
#include "uapi/kvm.h"

namespace node_kvm {

// The kernel's ring of a VM: the kernel appends, and who holds the lock of CoalescedWrites takes.
class CoalescedRing {
 public:
  CoalescedRing() = default;
  explicit CoalescedRing(kvm_coalesced_mmio_ring* ring) : ring_(ring) {}
  // False where the kernel has none.
  [[nodiscard]] bool exists() const { return ring_ != nullptr; }
  // How many writes it has.
  [[nodiscard]] std::uint32_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }
  // The oldest write; there must be one.
  [[nodiscard]] kvm_coalesced_mmio front() const;
  void Pop();

 private:
  kvm_coalesced_mmio_ring* ring_ = nullptr;
};

class CoalescedWrites {
 public:
  // An access, and the row that it lies in.
  struct Zone {
    Access access;
    DecodeRow row;
  };

  // Each write must exit, and does so until Allow() has been called as often: for a vCPU that has no thread, or whose
  // thread may not take what others have written. JavaScript's.
  void Forbid(int vm);
  void Allow();

  // Whether writes are gathered, or some are left that were.
  [[nodiscard]] bool active() const { return active_; }
  // Gathers the writes to that zone; nothing happens when it may not be, or another one's are. A vCPU thread's.
  void TurnOn(int vm, const Zone& zone, const CoalescedRing& ring);
  // Each write exits again. What was gathered is still to be taken. From any thread.
  void TurnOff(int vm);
  // The same if JavaScript has found writes to be few. A vCPU thread's: the kernel takes milliseconds for it.
  void TurnOffIfFew(int vm);
  // Hands the gathered writes to `append(row, write)` in order, while that returns true. False when it did not. A vCPU
  // thread's.
  template <typename Append>
  bool Take(CoalescedRing ring, Append append) {
    const std::lock_guard lock(mutex_);
    for (; !ring.empty(); ++taken_) {
      if (!append(zone_.row, ring.front())) return false;
      ring.Pop();
    }
    return true;
  }
  // Whether a vCPU thread must come out, to take writes or to turn this off. JavaScript's, every millisecond while this
  // is active.
  [[nodiscard]] bool Look(std::uint64_t now, const CoalescedRing& ring);

 private:
  void Unregister(int vm);

  std::atomic<bool> active_ = false;
  std::atomic<bool> few_ = false;  // set by JavaScript, taken back by the vCPU thread that turns this off

  std::mutex mutex_;  // for all that follows
  bool registered_ = false;
  Zone zone_{};        // that all writes in the ring went to
  int forbidden_ = 0;  // Forbid() less Allow()
  std::uint64_t taken_ = 0;
  // When JavaScript looked, and what had been taken and what was in the ring then.
  std::uint64_t looked_ = 0;
  std::uint64_t taken_at_look_ = 0;
  std::uint32_t waiting_at_look_ = 0;
  std::int64_t credit_ = 0;  // while it is not negative, gathering pays
};

// Finds out when a guest writes to one address without pause.
class DenseWrites {
 public:
  // A write was posted, and so many wait for JavaScript. True now and then, while writes are dense.
  bool Add(const Access& access, std::uint32_t waiting);
  // Something else happened.
  void Interrupt() { count_ = 0; }

 private:
  Access access_{};
  std::uint32_t count_ = 0;
};

}  // namespace node_kvm
