#include "vcpu_thread.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <cerrno>
#include <string>
#include <utility>

#include "blocked_signals.h"
#include "kick.h"
#include "uapi/kvm.h"

namespace node_kvm {
VcpuThread::VcpuThread(std::shared_ptr<VcpuState> vcpu, std::shared_ptr<Meeting> meeting, bool outside)
    : vcpu_(*vcpu),
      meeting_(std::move(meeting)),
      registers_(vcpu_.vm().registers),
      mapping_(Mapping::Map(sizeof(ThreadPage), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)),
      share_(std::move(vcpu)),
      coalesced_(vcpu_.vm().coalesced) {
  if (!mapping_) throw std::bad_alloc();
  const BlockedSignals blocked;
  thread_ = OsThread([this, outside] { Main(outside); });
  ++vcpu_.vm().threads;  // the caller keeps the vCPU, too
}

VcpuThread::~VcpuThread() {
  BeginStop();
  Join();
  mapping_->Release();
}

// SAFETY: the mapping is that large and page-aligned, and nothing else is in it.
ThreadPage& VcpuThread::page() const { return *reinterpret_cast<ThreadPage*>(mapping_->data()); }

void VcpuThread::Main(bool outside) noexcept {
  pthread_setname_np(pthread_self(), "kvm-vcpu");
  UnblockKickSignal();
  ++Turn::awake;
  vcpu_.EnterThread();
  turn_began_ = MonotonicNow();
  TurnState command = outside ? GiveTurn(static_cast<int>(RunResult::kOut)) : kGuest;
  while (command != kStop) {
    const int result = command == kComplete ? CompleteAccess() : RunGuest();
    if (stop_) {
      ThreadStats::Add(stats_.guest_nanoseconds, MonotonicNow() - turn_began_);
      break;
    }
    command = GiveTurn(result);
  }
  --Turn::awake;
  if (!outside_) LetGoOfVcpu();
  meeting_->notify();  // the hub may let go of this object soon
}

void VcpuThread::LetGoOfVcpu() {
  vcpu_.LeaveThread();
  --vcpu_.vm().threads;
  share_.reset();
}

int VcpuThread::RunGuest() {
  for (;;) {
    const int result = vcpu_.RunThreaded();
    if (stop_) return result;  // what other vCPUs have written stays for their threads
    const bool tick = result == static_cast<int>(RunResult::kTick);
    if (tick) coalesced_.TurnOffIfFew(vcpu_.vm().fd.get());
    TakeCoalesced();
    if (stop_) return result;
    if (tick) continue;
    if (result != 0 || !AnswerFast()) return result;
    if (stop_) return result;
  }
}

// What follows in the same instruction may be fast, too: the write after a read, the next element of a string.
int VcpuThread::CompleteAccess() {
  for (;;) {
    const int result = vcpu_.Complete();
    if (result != 1) return result;
    if (!AnswerFast()) return result;
    if (stop_) return result;
  }
}

TurnState VcpuThread::GiveTurn(int result) {
  dense_.Interrupt();
  const std::uint64_t now = MonotonicNow();
  guest_time_ = now - turn_began_;
  ThreadStats::Add(stats_.guest_nanoseconds, guest_time_);
  ThreadStats::Add(stats_.delivered, 1);
  result_ = result;
  turn_.Post();
  // Stop() sets the flag before it answers: whoever misses the flag here finds the answer below.
  if (stop_) return kStop;
  const bool away = meeting_->attention.away();
  if (meeting_->attention.MustNotify()) {
    ThreadStats::Add(stats_.notified, 1);
    meeting_->notify();
  }
  const std::uint64_t poll = Turn::MayPoll() ? window_.Next(away) : 0;
  TurnState command = turn_.Poll(now + poll);
  const bool sleep = command == kExit;
  if (sleep) {
    ThreadStats::Add(stats_.slept, 1);
    command = turn_.Sleep();
  }
  const std::uint64_t answered = MonotonicNow();
  if (poll != 0) window_.Judge(!sleep && answered < now + poll * 2);
  window_.Learn(handler_time_);
  turn_began_ = answered;
  ThreadStats::Add(stats_.handler_nanoseconds, answered - now);
  return command;
}

bool VcpuThread::Answer(TurnState command, std::uint64_t handler_time) {
  handler_time_ = handler_time;
  return turn_.Answer(command);
}

void VcpuThread::Prefetch() const { __builtin_prefetch(vcpu_.run()); }

void VcpuThread::BeginStop() {
  if (stop_) return;
  const std::shared_ptr<VcpuState> vcpu = share_;  // as soon as the thread knows, it may let go of it
  outside_ = turn_.pending();
  stop_ = true;
  if (!outside_) vcpu->Interrupt();
  turn_.Answer(kStop);
  if (outside_) LetGoOfVcpu();
}

void VcpuThread::Stop() {
  BeginStop();
  if (!outside_) Join();
}

void VcpuThread::Join() { thread_.Join(); }

bool VcpuThread::TryJoin() { return thread_.TryJoin(); }

std::uint64_t VcpuThread::GuestTime() const {
  const std::uint64_t so_far = stats_.guest_nanoseconds;
  return turn_.pending() || stop_ ? so_far : so_far + MonotonicNow() - turn_began_;
}

std::uint64_t VcpuThread::HandlerTime() const {
  const std::uint64_t so_far = stats_.handler_nanoseconds;
  return turn_.pending() ? so_far + MonotonicNow() - turn_began_ - guest_time_ : so_far;
}

int VcpuThread::Complete(const std::function<void()>& meanwhile) {
  ConsumePosted();
  // What this posts is delivered at once, before older writes that wait in other threads' rings. So it takes nothing of
  // what those have written since, and its own writes exit.
  coalesced_.Forbid(vcpu_.vm().fd.get());
  turn_.Answer(kComplete);
  // KVM_RUN with immediate_exit set returns at once.
  while (!turn_.pending()) {
    meanwhile();
    sched_yield();
  }
  coalesced_.Allow();
  Offer(true, PostedCount());
  return result_;
}

void VcpuThread::ComeOut() { vcpu_.ComeOut(); }

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
