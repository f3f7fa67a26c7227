// A vCPU without JavaScript: its kvm_run page, KVM_RUN on whatever thread runs it, and kicks from others.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "coalesced_writes.h"
#include "descriptor.h"
#include "mapping.h"
#include "uapi/kvm.h"

namespace node_kvm {

// How run() ended, beside a negative errno.
enum class RunResult : int {
  kExit = 0,      // KVM_RUN returned: the exit is in the page
  kDeadline = 1,  // the deadline has passed
  kKick = 2,      // kick() was called
  kTick = 3,      // nothing happened: JavaScript calls again, which is when V8 can end a worker
  kOut = 4,       // ComeOut() was called
  kRingFull = 5,  // the ring of posted writes is full
};

// What kicks from other threads share with the thread that runs the guest.
class VcpuState {
 public:
  // `page` is all that can be mapped of the descriptor; `coalesced` lies in it.
  VcpuState(std::shared_ptr<Descriptor> descriptor, std::shared_ptr<Mapping> page, CoalescedRing coalesced);
  ~VcpuState();
  VcpuState(const VcpuState&) = delete;
  VcpuState& operator=(const VcpuState&) = delete;

  // Enters the guest until it exits or `deadline` (nanoseconds of MonotonicNow; 0: none) has passed.
  // Returns a RunResult, or a negative errno.
  int Run(std::uint64_t deadline);
  // Completes the pending access without running the guest: 0, 1 when that led to another exit, or a negative errno.
  int Complete();
  // Makes the run under way, or else the next one, return kKick. From any thread.
  void Kick();

  // For a vCPU with a thread of its own: that thread brackets its runs with these two. From there on the kernel may gather
  // its writes,
  void EnterThread();
  void LeaveThread();
  // until it has no thread any more, and is run in another way.
  void ForbidCoalescing();
  // and enters the guest with this: no deadline, no tick; kTick when a signal that is not ours arrived.
  int RunThreaded();
  // Makes RunThreaded() return kOut, or without the flag just return. From the JavaScript thread.
  void ComeOut();
  void Interrupt();

  // Kicks the vCPU with that token. False when there is none (any more).
  static bool KickByToken(std::uint64_t token);
  // From now on there is none, though a thread may still have a share of this.
  void ForgetToken();

  [[nodiscard]] const std::shared_ptr<Mapping>& page() const { return page_; }
  [[nodiscard]] std::uint64_t token() const { return token_; }
  [[nodiscard]] kvm_run* run() const;
  [[nodiscard]] const std::shared_ptr<Descriptor>& descriptor() const { return descriptor_; }
  [[nodiscard]] Vm& vm() const { return *descriptor_->vm; }
  [[nodiscard]] const CoalescedRing& coalesced() const { return coalesced_; }

 private:
  void SetImmediateExit(bool value);
  int Enter();

  std::shared_ptr<Descriptor> descriptor_;
  std::shared_ptr<Mapping> page_;
  CoalescedRing coalesced_;
  std::uint64_t token_;
  std::atomic<bool> kicked_ = false;
  std::atomic<bool> come_out_ = false;
  std::atomic<pid_t> thread_ = 0;  // the thread inside Run, 0 when none
  bool forbids_ = false;           // whether it has Forbid() without Allow() in the VM's coalesced writes
};

}  // namespace node_kvm
