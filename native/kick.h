// The kick: how a thread that runs a guest is made to come out.
//
// One real-time signal serves kicks from other threads and the thread's own timer. Its handler sets `immediate_exit` in
// the kvm_run page that the thread is running, so that a signal which arrives just before KVM_RUN is not lost
// (KVM API, "immediate_exit"). A KVM_RUN that is under way ends with EINTR by the signal itself.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "uapi/kvm.h"

namespace node_kvm {

// Nanoseconds of CLOCK_MONOTONIC, the clock of performance.now().
std::uint64_t MonotonicNow();

// Takes the first free real-time signal for the process. False when every one has a handler already.
bool InstallKickSignal();

// Lets the calling thread receive the signal.
void UnblockKickSignal();

// Sends the signal to a thread of this process.
void SignalThread(pid_t thread);

// Marks this thread as running that page, until the scope ends.
class KickScope {
 public:
  explicit KickScope(kvm_run* run) { Begin(run); }
  ~KickScope() { End(); }
  KickScope(const KickScope&) = delete;
  KickScope& operator=(const KickScope&) = delete;

  // The same for a thread that does nothing else.
  static void Begin(kvm_run* run);
  static void End();
};

// Sees to it that this thread gets the signal at `time` or earlier. Costs a system call only when no earlier one is
// under way. Returns 0 or an errno.
int WakeThreadBy(std::uint64_t time);

// Like WakeThreadBy(now + period), but reads no clock while any wake-up is under way.
int WakeThreadEvery(std::uint64_t period);

}  // namespace node_kvm
