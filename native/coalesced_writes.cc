#include "coalesced_writes.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "kick.h"

namespace node_kvm {
namespace {

// How many writes are worth more than making a thread come out for them: gathering begins when so many wait for JavaScript,
// after a few times as many in a row to one address. (A guest that waits for an answer to each write has few that wait.)
constexpr std::uint32_t kMany = 16;
// Then it goes on as long as there is credit. Each gathered write adds to it, up to this; each look, a millisecond, costs
// one, and coming out costs kMany. So it ends after a quarter of a second of silence, or some single writes.
constexpr std::int64_t kMostCredit = 256;

// Two looks are so long apart at least: JavaScript looks every millisecond, and whenever something else happens.
constexpr std::uint64_t kLookNanoseconds = 500'000;

// The page of the ring, less its two indices: KVM_COALESCED_MMIO_MAX, whose macro needs the kernel's PAGE_SIZE. Pages of
// 4 KiB have the smallest ring.
std::uint32_t RingEntries() {
  static const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return static_cast<std::uint32_t>((page_size - sizeof(kvm_coalesced_mmio_ring)) / sizeof(kvm_coalesced_mmio));
}

kvm_coalesced_mmio_zone KernelZone(const Access& access) {
  kvm_coalesced_mmio_zone zone{};
  zone.addr = access.address;
  zone.size = access.length;
  zone.pio = access.space == Space::kPort ? 1 : 0;
  return zone;
}

}  // namespace

// SAFETY: the kernel writes `last` after the entry before it, and reads `first` before it overwrites one.
std::uint32_t CoalescedRing::size() const {
  if (ring_ == nullptr) return 0;
  return (__atomic_load_n(&ring_->last, __ATOMIC_ACQUIRE) + RingEntries() - ring_->first) % RingEntries();
}

kvm_coalesced_mmio CoalescedRing::front() const { return ring_->coalesced_mmio[ring_->first % RingEntries()]; }

void CoalescedRing::Pop() { __atomic_store_n(&ring_->first, (ring_->first + 1) % RingEntries(), __ATOMIC_RELEASE); }

void CoalescedWrites::Forbid(int vm) {
  const std::lock_guard lock(mutex_);
  ++forbidden_;
  Unregister(vm);
}

void CoalescedWrites::Allow() {
  const std::lock_guard lock(mutex_);
  --forbidden_;
}

void CoalescedWrites::TurnOn(int vm, const Zone& zone, const CoalescedRing& ring) {
  const std::lock_guard lock(mutex_);
  if (!ring.exists() || registered_ || !ring.empty() || forbidden_ != 0) return;
  // The kernel gathers before ioctl() returns, and who knows of a gathered write must find this set.
  active_ = true;
  auto request = KernelZone(zone.access);
  if (ioctl(vm, KVM_REGISTER_COALESCED_MMIO, &request) != 0) {
    active_ = false;  // each write exits, as before
    return;
  }
  registered_ = true;
  zone_ = zone;
  few_ = false;
  credit_ = kMostCredit;
}

void CoalescedWrites::TurnOff(int vm) {
  const std::lock_guard lock(mutex_);
  Unregister(vm);
}

void CoalescedWrites::TurnOffIfFew(int vm) {
  if (few_.exchange(false)) TurnOff(vm);
}

void CoalescedWrites::Unregister(int vm) {
  if (!registered_) return;
  auto request = KernelZone(zone_.access);
  // It fails only where the kernel has no memory for a shorter list of such zones; then it drops the whole list.
  static_cast<void>(ioctl(vm, KVM_UNREGISTER_COALESCED_MMIO, &request));
  registered_ = false;
}

bool CoalescedWrites::Look(std::uint64_t now, const CoalescedRing& ring) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || now - looked_ < kLookNanoseconds) return false;  // the next time
  const std::uint32_t waiting = ring.size();
  // Since the last look.
  const bool untaken = waiting_at_look_ != 0 && taken_ == taken_at_look_;
  const auto more = static_cast<std::int64_t>(taken_ + waiting - taken_at_look_ - waiting_at_look_);
  looked_ = now;
  waiting_at_look_ = waiting;
  taken_at_look_ = taken_;
  if (!registered_) {
    if (waiting == 0) active_ = false;
    return waiting != 0;
  }
  credit_ = std::min(kMostCredit, credit_ + more) - 1 - (untaken ? kMany : 0);
  few_ = credit_ < 0;
  return untaken || few_;
}

bool DenseWrites::Add(const Access& access, std::uint32_t waiting) {
  if (access != access_) {
    access_ = access;
    count_ = 0;
  }
  if (++count_ < kMany * 4 || waiting < kMany) return false;
  count_ = 0;
  return true;
}

}  // namespace node_kvm
