// The kick: how a thread that runs a guest is made to come out.
//
// One signal serves kicks from other threads and wake-ups by the clock. Its handler sets `immediate_exit` in the
// kvm_run page that the thread is running, so that a signal which arrives just before KVM_RUN is not lost (KVM API,
// "immediate_exit"). A KVM_RUN that is under way ends with EINTR by the signal itself.
//
// It is a standard signal, and wake-ups come from a thread of ours instead of kernel timers, because the kernel refuses
// neither: a real-time signal and a timer each need a place in a queue (RLIMIT_SIGPENDING), which all processes of a
// user share, so that any of them can fill it. A standard signal is one bit of its thread; several become one, which is
// all that a kick needs. One that is refused for another reason, a filter's, is sent again until it is not.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "uapi/kvm.h"

namespace node_kvm {

// Nanoseconds of CLOCK_MONOTONIC, the clock of process.hrtime().
std::uint64_t MonotonicNow();

// Makes the process ready to be kicked: takes a signal that nobody uses, and starts the thread that wakes others.
// Returns 0 or an errno: EBUSY when every signal that would do has a handler already. Afterwards it costs nothing, and
// where it has failed it tries again.
int PrepareKicks();

// Lets the calling thread receive the signal.
void UnblockKickSignal();

// Sends the signal to a thread of this process, now or as soon as the kernel lets it through.
void SignalThread(pid_t thread);

// Marks this thread as running that page, until the scope ends.
class KickScope {
 public:
  explicit KickScope(kvm_run* run);
  ~KickScope();
  KickScope(const KickScope&) = delete;
  KickScope& operator=(const KickScope&) = delete;
};

// Sees to it that this thread gets the signal at `time` or earlier. Costs a system call only when no earlier one is
// under way.
void WakeThreadBy(std::uint64_t time);

// Like WakeThreadBy(now + period), but reads no clock while any wake-up is under way.
void WakeThreadEvery(std::uint64_t period);

}  // namespace node_kvm
