#include "vcpu_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>

#include "kick.h"
#include "uapi/kvm.h"

namespace node_kvm {
namespace {

// Only the vCPU thread writes its counters: no read-modify-write is needed.
void Add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

std::atomic<int> Meeting::awake = 0;

bool Meeting::MayPoll() {
  static const int cpus = UsableCpus();
  return awake + 1 <= cpus;  // the JavaScript thread needs a CPU, too
}

VcpuThread::VcpuThread(std::shared_ptr<VcpuState> vcpu, std::shared_ptr<Meeting> meeting, const FastAccessTable& table,
                       bool outside)
    : vcpu_(std::move(vcpu)),
      meeting_(std::move(meeting)),
      table_(table),
      mapping_(Mapping::Map(sizeof(ThreadPage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)) {
  if (!mapping_) throw std::bad_alloc();
  // The thread starts with every signal blocked: those of the process are for others.
  const BlockedSignals blocked;
  thread_ = std::thread([this, outside] { Main(outside); });
}

// SAFETY: the mapping is that large and page-aligned, and nothing else is in it.
ThreadPage& VcpuThread::page() const { return *reinterpret_cast<ThreadPage*>(mapping_->data()); }

void VcpuThread::Main(bool outside) {
  pthread_setname_np(pthread_self(), "kvm-vcpu");
  UnblockKickSignal();
  ++Meeting::awake;
  vcpu_->EnterThread();
  turn_began_ = MonotonicNow();
  TurnState command = outside ? GiveTurn(static_cast<int>(RunResult::kOut)) : kGuest;
  while (command != kStop) {
    const int result = command == kComplete ? CompleteAccess() : RunGuest();
    if (stop_) {
      Add(stats_.guest_nanoseconds, MonotonicNow() - turn_began_);
      break;
    }
    command = GiveTurn(result);
  }
  vcpu_->LeaveThread();
  --Meeting::awake;
}

int VcpuThread::RunGuest() {
  for (;;) {
    const int result = vcpu_->RunThreaded();
    if (result == static_cast<int>(RunResult::kTick)) {
      if (stop_) return result;
      continue;
    }
    if (result != 0) return result;
    if (!AnswerFast()) return result;
    if (stop_) return result;
  }
}

// What follows in the same instruction may be fast, too: the write after a read, the next element of a string.
int VcpuThread::CompleteAccess() {
  for (;;) {
    const int result = vcpu_->Complete();
    if (result != 1) return result;
    if (!AnswerFast()) return result;
    if (stop_) return result;
  }
}

bool VcpuThread::AnswerFast() {
  const std::uint32_t reason = vcpu_->run()->exit_reason;
  Add(stats_.exits[std::min<std::size_t>(reason, ThreadStats::kReasons - 1)], 1);
  fast_version_ = table_.Refresh(fast_version_, fast_);
  if (fast_.posted.empty() && fast_.latched.empty()) return false;
  kvm_run* run = vcpu_->run();
  if (run->exit_reason == KVM_EXIT_IO) {
    // SAFETY: the kernel puts the data of `count` accesses into the vCPU's mapping at this offset.
    std::uint8_t* data = reinterpret_cast<std::uint8_t*>(run) + run->io.data_offset;
    const Access access{Space::kPort, run->io.port, run->io.size};
    return run->io.direction == KVM_EXIT_IO_OUT ? AppendPosted(access, data, run->io.count)
                                                : AnswerLatched(access, data, run->io.count);
  }
  if (run->exit_reason == KVM_EXIT_MMIO) {
    const Access access{Space::kMmio, run->mmio.phys_addr, std::min<std::uint32_t>(run->mmio.len, 8)};
    return run->mmio.is_write != 0 ? AppendPosted(access, run->mmio.data, 1) : AnswerLatched(access, run->mmio.data, 1);
  }
  return false;
}

bool VcpuThread::AnswerLatched(const Access& access, std::uint8_t* data, std::uint32_t count) {
  const LatchedRead* latch = fast_.FindLatched(access);
  if (latch == nullptr) return false;
  for (std::uint32_t index = 0; index < count; ++index) {
    const std::uint64_t value = latch->value >> (8 * (access.address - latch->address));
    std::memcpy(data + std::size_t{index} * access.length, &value, access.length);
  }
  Add(stats_.latched, count);
  return true;
}

bool VcpuThread::AppendPosted(const Access& access, const std::uint8_t* data, std::uint32_t count) {
  const PostedRange* found = fast_.FindPosted(access);
  if (found == nullptr) return false;
  const PostedRange range = *found;
  for (std::uint32_t index = 0; index < count; ++index) {
    if (PostedCount() == kRingEntries) {
      WaitForSpace();
      if (stop_) return true;
    }
    PostedWrite& entry = page().ring[head_ % kRingEntries];
    entry = {range.id, access.length, access.address - range.start, {}, table_.Stamp()};
    std::memcpy(entry.data.data(), data + std::size_t{index} * access.length, access.length);
    ++head_;
    // JavaScript has read the next entry in the last round: it is fetched while the guest runs.
    __builtin_prefetch(&page().ring[(head_ + 1) % kRingEntries], 1);
  }
  Add(stats_.posted, count);
  // A ring that fills up is worth a wake-up even when JavaScript would soon look by itself.
  const bool worth = meeting_->notify_posts || PostedCount() >= kRingEntries / 2;
  if (worth && meeting_->attention.MustNotify()) {
    Add(stats_.notified, 1);
    meeting_->notify();
  }
  return true;
}

// The ring is full: JavaScript empties it when it is given the turn.
void VcpuThread::WaitForSpace() {
  while (!stop_ && PostedCount() == kRingEntries) {
    if (GiveTurn(static_cast<int>(RunResult::kRingFull)) == kStop) stop_ = true;
  }
}

TurnState VcpuThread::GiveTurn(int result) {
  const std::uint64_t now = MonotonicNow();
  guest_time_ = now - turn_began_;
  Add(stats_.guest_nanoseconds, guest_time_);
  Add(stats_.delivered, 1);
  result_ = result;
  turn_.Post();
  // Stop() sets the flag before it answers: whoever misses the flag here finds the answer below.
  if (stop_) return kStop;
  const bool away = meeting_->attention.away();
  if (meeting_->attention.MustNotify()) {
    Add(stats_.notified, 1);
    meeting_->notify();
  }
  const std::uint64_t poll = Meeting::MayPoll() ? window_.Next(away) : 0;
  TurnState command = turn_.Poll(now + poll);
  const bool sleep = command == kExit;
  if (sleep) {
    Add(stats_.slept, 1);
    --Meeting::awake;
    command = turn_.Sleep();
    ++Meeting::awake;
  }
  const std::uint64_t answered = MonotonicNow();
  if (poll != 0) window_.Judge(!sleep && answered < now + poll * 2);
  window_.Learn(handler_time_);
  turn_began_ = answered;
  Add(stats_.handler_nanoseconds, answered - now);
  return command;
}

bool VcpuThread::Answer(TurnState command, std::uint64_t handler_time) {
  handler_time_ = handler_time;
  return turn_.Answer(command);
}

void VcpuThread::Prefetch() const { __builtin_prefetch(vcpu_->run()); }

void VcpuThread::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  vcpu_->Interrupt();
  turn_.Answer(kStop);
  thread_.join();
}

std::uint64_t VcpuThread::GuestTime() const {
  const std::uint64_t so_far = stats_.guest_nanoseconds;
  return turn_.pending() || stop_ ? so_far : so_far + MonotonicNow() - turn_began_;
}

int VcpuThread::Complete() {
  ConsumePosted();
  turn_.Answer(kComplete);
  // KVM_RUN with immediate_exit set returns at once.
  while (!turn_.pending()) sched_yield();
  Offer(true, PostedCount());
  return result_;
}

void VcpuThread::ComeOut() { vcpu_->ComeOut(); }

std::uint32_t VcpuThread::PostedBefore(std::uint64_t stamp) const {
  const std::uint32_t all = PostedCount();
  std::uint32_t count = 0;
  while (count < all && page().ring[(tail_ + count) % kRingEntries].stamp < stamp) ++count;
  return count;
}

void VcpuThread::Offer(bool exit, std::uint32_t posted) {
  page().exit_offered = exit ? 1 : 0;
  if (exit) page().result = result_;
  page().posted_first = tail_ % kRingEntries;
  page().posted_count = posted;
}

void VcpuThread::ConsumePosted() {
  tail_ += page().posted_count;
  page().posted_count = 0;
}

}  // namespace node_kvm
