#include "kick.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>
#include <new>
#include <system_error>

#include "waker.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Nobody sends these unasked, and one that comes from elsewhere does no harm. SIGURG first: by default it is ignored,
// and programs that take every signal they know by name leave it out.
constexpr std::array kCandidates = {SIGURG, SIGSTKFLT, SIGPWR, SIGIO};

// Process-wide, written once under the mutex.
std::mutex prepare_mutex;
std::atomic<int> kick_signal = 0;
std::atomic<bool> prepared = false;

// The handler touches only this. It is a plain word of this thread, so a signal sees it whole. It lies in the static
// block (initial-exec): every run touches it, and a signal handler must not allocate.
#define HANDLER_LOCAL __attribute__((tls_model("initial-exec"))) thread_local
HANDLER_LOCAL kvm_run* volatile running = nullptr;

void OnSignal(int) {
  kvm_run* run = running;
  // SAFETY: the page stays mapped while `running` points to it (KickScope). Another thread may write the same byte.
  if (run != nullptr) __atomic_store_n(&run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

int SendSignal(pid_t thread) { return syscall(SYS_tgkill, getpid(), thread, kick_signal.load()) == 0 ? 0 : errno; }

// Never destroyed: its thread runs for as long as the process does.
Waker& TheWaker() {
  static Waker& waker = *new Waker(SendSignal);
  return waker;
}

// When the waker will signal this thread; 0: not before it is asked.
class WakeUp {
 public:
  WakeUp() { UnblockKickSignal(); }
  ~WakeUp() { TheWaker().Forget(&under_way_); }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;

  [[nodiscard]] std::uint64_t under_way() const { return under_way_; }
  void Set(std::uint64_t time) { TheWaker().Add({thread_, time, &under_way_}); }

 private:
  const pid_t thread_ = gettid();
  std::atomic<std::uint64_t> under_way_ = 0;
};

WakeUp& ThreadWakeUp() {
  thread_local WakeUp wake_up;
  return wake_up;
}

bool TakeSignal() {
  for (const int number : kCandidates) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART | SA_ONSTACK;
    if (sigaction(number, &action, nullptr) != 0) continue;
    kick_signal = number;
    return true;
  }
  return false;
}

}  // namespace

std::uint64_t MonotonicNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNanosecondsPerSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

int PrepareKicks() {
  if (prepared) return 0;
  const std::lock_guard lock(prepare_mutex);
  if (prepared) return 0;
  if (kick_signal == 0 && !TakeSignal()) return EBUSY;
  try {
    TheWaker().Start();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  prepared = true;
  return 0;
}

void UnblockKickSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, kick_signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);  // fails only when it is called wrongly
}

void SignalThread(pid_t thread) {
  int error = SendSignal(thread);
  if (error == 0 || error == ESRCH) return;
  try {
    TheWaker().Add({thread, MonotonicNow(), nullptr});
  } catch (const std::bad_alloc&) {
    // No memory to leave that to the waker.
    for (; error != 0 && error != ESRCH; error = SendSignal(thread)) sched_yield();
  }
}

KickScope::KickScope(kvm_run* run) { running = run; }
KickScope::~KickScope() { running = nullptr; }

void WakeThreadBy(std::uint64_t time) {
  WakeUp& wake_up = ThreadWakeUp();
  const std::uint64_t under_way = wake_up.under_way();
  if (under_way == 0 || under_way > time) wake_up.Set(time);
}

void WakeThreadEvery(std::uint64_t period) {
  WakeUp& wake_up = ThreadWakeUp();
  if (wake_up.under_way() == 0) wake_up.Set(MonotonicNow() + period);
}

}  // namespace node_kvm
