#include "rendezvous.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "futex.h"
#include "kick.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kShortestPoll = 5'000;
constexpr std::uint64_t kLongestPoll = 200'000;
constexpr std::uint32_t kLongestPause = 1024;

// CPUs that this process may use; where there are more than the set can hold, those of the machine.
int UsableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L));
}

}  // namespace

std::uint64_t PollWindow::Next(bool other_sleeps) {
  if (pause_ != 0) {
    --pause_;
    return 0;
  }
  if (work_ * 2 > kLongestPoll) return 0;
  return other_sleeps ? kLongestPoll : std::max(work_ * 2, kShortestPoll);
}

void PollWindow::Learn(std::uint64_t work) { work_ = (work_ * 7 + std::min(work, kLongestPoll * 2)) / 8; }

void PollWindow::Judge(bool in_time) {
  pause_length_ = in_time ? pause_length_ / 2 : std::min(kLongestPause, pause_length_ * 2 + 1);
  if (!in_time) pause_ = pause_length_;
}

void Relax() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::atomic<int> Turn::awake = 0;

bool Turn::MayPoll() {
  static const int cpus = UsableCpus();
  return awake + 1 <= cpus;
}

TurnState Turn::Poll(std::uint64_t end) {
  std::uint32_t state = word_;
  for (; state == kExit && MonotonicNow() < end; state = word_) Relax();
  return static_cast<TurnState>(state);
}

TurnState Turn::Sleep() {
  std::uint32_t state = kExit;
  if (!word_.compare_exchange_strong(state, kExitAsleep)) return static_cast<TurnState>(state);
  --awake;
  while ((state = word_) == kExitAsleep) FutexWait(&word_, kExitAsleep);
  return static_cast<TurnState>(state);
}

bool Turn::Answer(TurnState command) {
  const bool asleep = word_.exchange(command) == kExitAsleep;
  if (asleep) {
    ++awake;
    FutexWake(&word_);
  }
  return asleep;
}

}  // namespace node_kvm
