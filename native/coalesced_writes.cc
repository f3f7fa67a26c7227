#include "coalesced_writes.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>

#include "kick.h"

namespace node_kvm {
namespace {

// Writes are dense when so many come one after the other, and so many of them wait for JavaScript: a guest that waits for
// an answer to each write has few that wait.
constexpr std::uint32_t kManyWrites = 64;
constexpr std::uint32_t kManyWaiting = 16;
// Then they have become few when, in this time, fewer come for each time that a thread has to come out for them.
constexpr std::uint64_t kFewNanoseconds = 250'000'000;

constexpr std::uint64_t kLookNanoseconds = 500'000;
// While more writes come, those that are there may wait so long for a full ring, which costs less than coming out for them.
constexpr std::uint64_t kWaitNanoseconds = 10'000'000;

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
bool CoalescedRing::empty() const { return ring_ == nullptr || ring_->first == end(); }

std::uint32_t CoalescedRing::end() const { return __atomic_load_n(&ring_->last, __ATOMIC_ACQUIRE); }

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
  judged_ = MonotonicNow();
  taken_at_judgement_ = taken_;
  came_out_ = 0;
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
  if (ring.empty() || taken_ != taken_at_look_) untaken_since_ = now;
  const bool more = ring.exists() && ring.end() != end_at_look_;
  const bool standing = now != untaken_since_ && (!more || now - untaken_since_ >= kWaitNanoseconds);
  looked_ = now;
  end_at_look_ = ring.exists() ? ring.end() : 0;
  taken_at_look_ = taken_;
  if (!registered_) {
    if (ring.empty()) active_ = false;
    return !ring.empty();
  }
  if (now - judged_ >= kFewNanoseconds) {
    few_ = taken_ - taken_at_judgement_ < kManyWaiting * (came_out_ + 1);
    judged_ = now;
    taken_at_judgement_ = taken_;
    came_out_ = 0;
  }
  if (standing) ++came_out_;
  return standing || few_;
}

bool DenseWrites::Add(const Access& access, std::uint32_t waiting) {
  if (access != access_) {
    access_ = access;
    count_ = 0;
  }
  if (++count_ < kManyWrites || waiting < kManyWaiting) return false;
  count_ = 0;
  return true;
}

}  // namespace node_kvm
