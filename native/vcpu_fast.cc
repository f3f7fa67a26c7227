// What a vCPU thread does without JavaScript: reads from cells, and posted writes, its own and those that the kernel gathered.
#include <algorithm>
#include <cstring>

#include "kick.h"
#include "uapi/kvm.h"
#include "vcpu_thread.h"

namespace node_kvm {

bool VcpuThread::AnswerFast() {
  const std::uint32_t reason = vcpu_.run()->exit_reason;
  ThreadStats::Add(stats_.exits[std::min<std::size_t>(reason, ThreadStats::kReasons - 1)], 1);
  registers_.Refresh(decode_);
  if (decode_->rows.empty()) return false;
  kvm_run* run = vcpu_.run();
  if (run->exit_reason == KVM_EXIT_IO) {
    // The kernel has written that, but a buffer over the page that JavaScript has can be anywhere: nothing is taken on trust.
    const auto io = run->io;
    const std::size_t size = vcpu_.page()->size();
    if (io.size > sizeof(std::uint64_t) || io.data_offset > size) return false;
    if (std::uint64_t{io.size} * io.count > size - io.data_offset) return false;
    // SAFETY: the data of `count` accesses lies at this offset, within the mapping.
    std::uint8_t* data = reinterpret_cast<std::uint8_t*>(run) + io.data_offset;
    const Access access{Space::kPort, io.port, io.size};
    return io.direction == KVM_EXIT_IO_OUT ? PostWrite(access, data, io.count) : AnswerRead(access, data, io.count);
  }
  if (run->exit_reason == KVM_EXIT_MMIO) {
    const Access access{Space::kMmio, run->mmio.phys_addr, std::min<std::uint32_t>(run->mmio.len, 8)};
    return run->mmio.is_write != 0 ? PostWrite(access, run->mmio.data, 1) : AnswerRead(access, run->mmio.data, 1);
  }
  return false;
}

bool VcpuThread::AnswerRead(const Access& access, std::uint8_t* data, std::uint32_t count) {
  do {
    const DecodeRow* row = decode_->Find(access);
    if (row == nullptr) return false;
    for (std::uint32_t index = 0; index < count; ++index) {
      const auto value = registers_.Read(*row, access);
      if (!value) return false;
      std::memcpy(data + std::size_t{index} * access.length, &*value, access.length);
    }
  } while (registers_.Refresh(decode_));
  ThreadStats::Add(stats_.latched, count);
  return true;
}

bool VcpuThread::PostWrite(const Access& access, const std::uint8_t* data, std::uint32_t count) {
  const DecodeRow* row = nullptr;
  CellWrite write = CellWrite::kExit;
  do {
    row = decode_->Find(access);
    if (row == nullptr) return false;
    write = registers_.Write(*row, access);
  } while (registers_.Refresh(decode_));
  if (write == CellWrite::kExit) return false;
  const bool lazy = write == CellWrite::kLazy;
  for (std::uint32_t index = 0; index < count; ++index) {
    if (PostedCount() == kRingEntries) {
      WaitForSpace();
      if (stop_) return true;
    }
    Append(*row, lazy, access, data + std::size_t{index} * access.length);
  }
  if (lazy) {
    // The kernel does not gather these: JavaScript would have to look every millisecond.
    dense_.Interrupt();
  } else if (dense_.Add(access, PostedCount()) && registers_.TakesParts(*row, access) && open_userfaults == 0) {
    // (Where a vCPU may wait for JavaScript, JavaScript would wait for it when it turns this off.)
    coalesced_.TurnOn(vcpu_.vm().fd.get(), {access, *row}, vcpu_.coalesced());
    // Who changes the table turns this off after that, but that may have been before it was turned on.
    if (!registers_.Current(*decode_)) coalesced_.TurnOff(vcpu_.vm().fd.get());
  }
  NotifyPosted(lazy);
  return true;
}

void VcpuThread::Append(const DecodeRow& row, bool lazy, const Access& access, const std::uint8_t* data) {
  PostedWrite& entry = page().ring[head_ % kRingEntries];
  entry = {row.listener, access.length, access.address, {}, registers_.Stamp()};
  std::memcpy(entry.data.data(), data, access.length);
  // Before JavaScript can hear of it: what it then forgets is not chosen again.
  registers_.Choose(row, *data);
  ++head_;
  if (!lazy) eager_end_ = head_.load();
  ThreadStats::Add(stats_.posted, 1);
  // JavaScript has read the next entry in the last round: it is fetched while the guest runs.
  __builtin_prefetch(&page().ring[(head_ + 1) % kRingEntries], 1);
}

// What the kernel has gathered comes before what this thread does next.
void VcpuThread::TakeCoalesced() {
  if (!coalesced_.active()) return;
  const auto append = [this](const DecodeRow& row, const kvm_coalesced_mmio& write) {
    if (PostedCount() == kRingEntries) return false;
    Append(row, false, {row.space, write.phys_addr, std::min<std::uint32_t>(write.len, 8)}, write.data);
    return true;
  };
  while (!coalesced_.Take(vcpu_.coalesced(), append)) {
    WaitForSpace();
    if (stop_) return;
  }
  if (EagerPosted()) NotifyPosted(false);
}

void VcpuThread::LookAtCoalesced(std::uint64_t now) {
  if (coalesced_.Look(now, vcpu_.coalesced())) vcpu_.Interrupt();
}

void VcpuThread::NotifyPosted(bool lazy) {
  // A ring that fills up is worth a wake-up even when JavaScript would soon look by itself, or need not hear yet.
  const bool worth = (!lazy && meeting_->notify_posts) || RingFills();
  if (worth && meeting_->attention.MustNotify()) {
    ThreadStats::Add(stats_.notified, 1);
    meeting_->notify();
  }
}

// The ring is full: JavaScript empties it when it is given the turn.
void VcpuThread::WaitForSpace() {
  while (!stop_ && PostedCount() == kRingEntries) {
    if (GiveTurn(static_cast<int>(RunResult::kRingFull)) == kStop) stop_ = true;
  }
}

}  // namespace node_kvm
