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

void Relax() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

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

void PollWindow::Waited(std::uint64_t nanoseconds) {
  if (nanoseconds <= window_) return;
  if (nanoseconds <= limit_) {
    window_ = std::min(limit_, window_ == 0 ? kFirstWindow : window_ * 2);
  } else {
    window_ = window_ / 2 < kFirstWindow ? 0 : window_ / 2;
  }
}

int UsableCpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

TurnState Turn::Poll(std::uint64_t nanoseconds) {
  std::uint32_t state = word_;
  if (nanoseconds == 0) return static_cast<TurnState>(state);
  for (const std::uint64_t end = MonotonicNow() + nanoseconds; state == kExit && MonotonicNow() < end; state = word_) {
    Relax();
  }
  return static_cast<TurnState>(state);
}

TurnState Turn::Sleep() {
  std::uint32_t state = kExit;
  if (!word_.compare_exchange_strong(state, kExitAsleep)) return static_cast<TurnState>(state);
  while ((state = word_) == kExitAsleep) FutexWait(&word_, kExitAsleep);
  return static_cast<TurnState>(state);
}

void Turn::Answer(TurnState command) {
  if (word_.exchange(command) == kExitAsleep) FutexWake(&word_);
}

}  // namespace node_kvm
