#include "kick.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>

namespace node_kvm {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Process-wide, written once under the mutex.
std::mutex install_mutex;
std::atomic<int> kick_signal = 0;

// The handler touches only these two. Both are plain words of this thread, so a signal sees them whole. They lie in the
// static block (initial-exec): every run touches them, and a signal handler must not allocate.
#define HANDLER_LOCAL __attribute__((tls_model("initial-exec"))) thread_local
HANDLER_LOCAL kvm_run* volatile running = nullptr;
HANDLER_LOCAL volatile std::uint64_t wake_up_at = 0;  // 0: no timer is under way

void OnSignal(int, siginfo_t* info, void*) {
  if (info->si_code == SI_TIMER) wake_up_at = 0;
  kvm_run* run = running;
  // SAFETY: the page stays mapped while `running` points to it (KickScope). Another thread may write the same byte.
  if (run != nullptr) __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

// A timer that signals the thread which owns it.
class ThreadTimer {
 public:
  ThreadTimer() {
    UnblockKickSignal();
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kick_signal;
    event._sigev_un._tid = gettid();
    error_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0 ? 0 : errno;
  }
  ~ThreadTimer() {
    if (error_ == 0) timer_delete(timer_);
  }
  ThreadTimer(const ThreadTimer&) = delete;
  ThreadTimer& operator=(const ThreadTimer&) = delete;

  int Set(std::uint64_t time) {
    if (error_ != 0) return error_;
    itimerspec spec{};
    spec.it_value.tv_sec = static_cast<time_t>(time / kNanosecondsPerSecond);
    spec.it_value.tv_nsec = static_cast<long>(time % kNanosecondsPerSecond);
    wake_up_at = time;
    if (timer_settime(timer_, TIMER_ABSTIME, &spec, nullptr) == 0) return 0;
    wake_up_at = 0;
    return errno;
  }

 private:
  timer_t timer_{};
  int error_ = 0;
};

ThreadTimer& Timer() {
  thread_local ThreadTimer timer;
  return timer;
}

}  // namespace

std::uint64_t MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNanosecondsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

bool InstallKickSignal() {
  const std::lock_guard lock(install_mutex);
  if (kick_signal != 0) return true;
  for (int number = SIGRTMIN + 1; number <= SIGRTMAX; ++number) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_sigaction = OnSignal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    if (sigaction(number, &action, nullptr) != 0) continue;
    kick_signal = number;
    return true;
  }
  return false;
}

void UnblockKickSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kick_signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

void SignalThread(pid_t thread) { syscall(SYS_tgkill, getpid(), thread, kick_signal.load()); }

void KickScope::Begin(kvm_run* run) { running = run; }
void KickScope::End() { running = nullptr; }

int WakeThreadBy(std::uint64_t time) {
  const std::uint64_t under_way = wake_up_at;
  return under_way != 0 && under_way <= time ? 0 : Timer().Set(time);
}

int WakeThreadEvery(std::uint64_t period) { return wake_up_at != 0 ? 0 : Timer().Set(MonotonicNow() + period); }

}  // namespace node_kvm
