// The thread that signals others by the clock. One for the process, and it never ends.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

namespace node_kvm {

class Waker {
 public:
  // A thread that is to be signalled.
  struct Sleeper {
    pid_t thread;
    std::uint64_t time;  // nanoseconds of MonotonicNow
    // Set to 0 before the thread is signalled; whoever reads something else has the signal still to come.
    std::atomic<std::uint64_t>* under_way;
  };

  // Sends the signal; returns 0 or an errno.
  using Signal = int (*)(pid_t thread);

  explicit Waker(Signal signal) : signal_(signal) {}

  // Starts the thread. Throws std::system_error.
  void Start();
  // `under_way` may be null. A refused signal is sent again every millisecond, as long as the thread lives.
  void Add(const Sleeper& sleeper);
  // The thread ends: `under_way` goes.
  void Forget(const std::atomic<std::uint64_t>* under_way);

 private:
  [[noreturn]] void Main();
  // Signals whose time has come. Returns the next time, or 0 when nobody waits.
  std::uint64_t SignalDue();

  Signal signal_;
  std::mutex mutex_;
  std::vector<Sleeper> sleepers_;
  std::atomic<std::uint32_t> changes_ = 0;  // of sleepers_, by others than the thread
};

}  // namespace node_kvm
