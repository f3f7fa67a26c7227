#include "waker.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <thread>

#include "blocked_signals.h"
#include "futex.h"
#include "kick.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::uint64_t kRetryNanoseconds = 1'000'000;

}  // namespace

void Waker::Start() {
  const BlockedSignals blocked;
  std::thread([this] { Main(); }).detach();
}

void Waker::Add(const Sleeper& sleeper) {
  {
    const std::lock_guard lock(mutex_);
    const auto same = std::ranges::find_if(sleepers_, [&sleeper](const Sleeper& other) {
      return other.thread == sleeper.thread && other.under_way == sleeper.under_way;
    });
    if (same == sleepers_.end()) {
      sleepers_.push_back(sleeper);
    } else {
      same->time = sleeper.time;
    }
    if (sleeper.under_way != nullptr) *sleeper.under_way = sleeper.time;
  }
  ++changes_;
  FutexWake(&changes_);
}

void Waker::Forget(const std::atomic<std::uint64_t>* under_way) {
  const std::lock_guard lock(mutex_);
  std::erase_if(sleepers_, [under_way](const Sleeper& sleeper) { return sleeper.under_way == under_way; });
}

void Waker::Main() {
  pthread_setname_np(pthread_self(), "kvm-waker");  // for people who look at threads; nothing depends on it
  for (;;) {
    const std::uint32_t seen = changes_;
    const std::uint64_t next = SignalDue();
    const timespec end{static_cast<time_t>(next / kNanosecondsPerSecond),
                       static_cast<long>(next % kNanosecondsPerSecond)};
    FutexWait(&changes_, seen, next == 0 ? nullptr : &end);
  }
}

std::uint64_t Waker::SignalDue() {
  const std::lock_guard lock(mutex_);
  const std::uint64_t now = MonotonicNow();
  std::uint64_t next = 0;
  std::erase_if(sleepers_, [&](Sleeper& sleeper) {
    if (sleeper.time <= now) {
      if (sleeper.under_way != nullptr) *sleeper.under_way = 0;
      const int error = signal_(sleeper.thread);
      if (error == 0 || error == ESRCH) return true;
      sleeper.time = now + kRetryNanoseconds;
      if (sleeper.under_way != nullptr) *sleeper.under_way = sleeper.time;
    }
    if (next == 0 || sleeper.time < next) next = sleeper.time;
    return false;
  });
  return next;
}

}  // namespace node_kvm
