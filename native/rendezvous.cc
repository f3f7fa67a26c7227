#include "rendezvous.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "kick.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kFirstWindow = 10'000;
constexpr std::uint64_t kLongestWindow = 200'000;
constexpr std::uint32_t kLongestPause = 64;
constexpr unsigned kTurnsWithoutYield = 16;

// SAFETY: the kernel reads the word as a plain 32-bit one, which a lock-free std::atomic<uint32_t> is.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

void FutexWait(std::atomic<std::uint32_t>* word, std::uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

void FutexWake(std::atomic<std::uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace

std::uint64_t PollWindow::Next() {
  if (pause_ == 0) return window_;
  --pause_;
  return 0;
}

void PollWindow::Learn(std::uint64_t work) {
  if (work <= kLongestWindow) {
    if (window_ <= work * 2) window_ = std::clamp(window_ * 2, kFirstWindow, kLongestWindow);
  } else {
    window_ = window_ / 2 < kFirstWindow ? 0 : window_ / 2;
  }
}

void PollWindow::Failed() {
  pause_length_ = std::min(kLongestPause, pause_length_ * 2 + 1);
  pause_ = pause_length_;
}

void Relax(unsigned turn) {
  if (turn >= kTurnsWithoutYield) {
    sched_yield();
    return;
  }
#ifdef __x86_64__
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int UsableCpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

TurnState Turn::Poll(std::uint64_t nanoseconds) {
  std::uint32_t state = word_;
  if (nanoseconds == 0) return static_cast<TurnState>(state);
  const std::uint64_t end = MonotonicNow() + nanoseconds;
  for (unsigned turn = 0; state == kExit && MonotonicNow() < end; state = word_) Relax(turn++);
  return static_cast<TurnState>(state);
}

TurnState Turn::Sleep() {
  std::uint32_t state = kExit;
  if (!word_.compare_exchange_strong(state, kExitAsleep)) return static_cast<TurnState>(state);
  while ((state = word_) == kExitAsleep) FutexWait(&word_, kExitAsleep);
  return static_cast<TurnState>(state);
}

bool Turn::Answer(TurnState command) {
  const bool asleep = word_.exchange(command) == kExitAsleep;
  if (asleep) FutexWake(&word_);
  return asleep;
}

}  // namespace node_kvm
