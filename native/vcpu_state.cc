#include "vcpu_state.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "kick.h"

namespace node_kvm {
namespace {

// A guest that never exits comes out this often, so that a worker which is being terminated can end.
constexpr std::uint64_t kTickNanoseconds = 100'000'000;

// Every vCPU of the process by its token, for kicks from other threads. A vCPU leaves before it goes, and a kick holds
// the lock: so it never keeps a vCPU, and with it a VM, alive.
class Registry {
 public:
  static Registry& Get() {
    static Registry registry;
    return registry;
  }

  std::uint64_t NextToken() { return next_token_++; }

  void Add(VcpuState& vcpu) {
    const std::lock_guard lock(mutex_);
    vcpus_.emplace(vcpu.token(), &vcpu);
  }

  void Remove(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    vcpus_.erase(token);
  }

  bool Kick(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    const auto found = vcpus_.find(token);
    if (found == vcpus_.end()) return false;
    found->second->Kick();
    return true;
  }

 private:
  std::mutex mutex_;
  std::atomic<std::uint64_t> next_token_ = 1;
  std::unordered_map<std::uint64_t, VcpuState*> vcpus_;
};

}  // namespace

VcpuState::VcpuState(std::shared_ptr<Descriptor> descriptor, std::shared_ptr<Mapping> page, CoalescedRing coalesced)
    : descriptor_(std::move(descriptor)),
      page_(std::move(page)),
      coalesced_(coalesced),
      token_(Registry::Get().NextToken()) {
  ForbidCoalescing();
  Registry::Get().Add(*this);
}

VcpuState::~VcpuState() {
  ForgetToken();
  if (forbids_) vm().coalesced.Allow();
  // The mapping holds the kernel's VM alive; the ArrayBuffer over it may live on until garbage collection.
  page_->Release();
}

// SAFETY: KVM maps a kvm_run at the start of every vCPU's page; the kernel and JavaScript share it by design.
kvm_run* VcpuState::run() const { return reinterpret_cast<kvm_run*>(page_->data()); }

void VcpuState::SetImmediateExit(bool value) {
  // SAFETY: kickers, the signal handler and the kernel access this byte concurrently.
  __atomic_store_n(&run()->immediate_exit, value ? 1 : 0, __ATOMIC_SEQ_CST);
}

int VcpuState::Enter() { return ioctl(descriptor_->fd.get(), KVM_RUN, 0) == 0 ? 0 : -errno; }

int VcpuState::Run(std::uint64_t deadline) {
  // Before the wake-up is set: a signal that comes from here on marks the page, and KVM_RUN returns at once.
  const KickScope scope(run());
  const std::uint64_t now = MonotonicNow();
  if (deadline != 0 && deadline <= now) {
    SetImmediateExit(true);  // a wake-up could come late: the pending access is completed, and that is all
  } else {
    const bool soon = deadline != 0 && deadline < now + kTickNanoseconds;
    if (soon) {
      WakeThreadBy(deadline);
    } else {
      WakeThreadEvery(kTickNanoseconds);
    }
  }
  static thread_local const pid_t this_thread = gettid();
  thread_ = this_thread;
  const int result = Enter();
  thread_.store(0, std::memory_order_release);
  if (result != -EINTR && result != -EAGAIN) return result;

  // EINTR: a kick, the clock, or a signal that is not ours. EAGAIN: a vCPU that waits for its start-up was woken.
  SetImmediateExit(false);
  if (kicked_.exchange(false)) return static_cast<int>(RunResult::kKick);
  if (deadline != 0 && MonotonicNow() >= deadline) return static_cast<int>(RunResult::kDeadline);
  return static_cast<int>(RunResult::kTick);
}

void VcpuState::EnterThread() {
  thread_ = gettid();
  vm().coalesced.Allow();
  forbids_ = false;
}

void VcpuState::LeaveThread() { thread_ = 0; }

void VcpuState::ForbidCoalescing() {
  vm().coalesced.Forbid(vm().fd.get());
  forbids_ = true;
}

int VcpuState::RunThreaded() {
  const KickScope scope(run());
  const int result = Enter();
  if (result != -EINTR && result != -EAGAIN) return result;
  SetImmediateExit(false);
  if (kicked_.exchange(false)) return static_cast<int>(RunResult::kKick);
  if (come_out_.exchange(false)) return static_cast<int>(RunResult::kOut);
  return static_cast<int>(RunResult::kTick);
}

void VcpuState::ComeOut() {
  come_out_ = true;
  Interrupt();
}

int VcpuState::Complete() {
  SetImmediateExit(true);
  const int result = Enter();
  // In this order: whoever sets a flag after it has been looked at here sets the byte after it has been cleared.
  SetImmediateExit(false);
  if (kicked_ || come_out_) SetImmediateExit(true);
  if (result == 0) return 1;
  return result == -EINTR ? 0 : result;
}

void VcpuState::Kick() {
  kicked_ = true;
  Interrupt();
}

void VcpuState::Interrupt() {
  // Where the byte is set already, a signal is on its way, or KVM_RUN is about to look: one is enough, however often this
  // is called.
  if (__atomic_exchange_n(&run()->immediate_exit, 1, __ATOMIC_SEQ_CST) != 0) return;
  const pid_t thread = thread_;
  if (thread != 0) SignalThread(thread);
}

void VcpuState::ForgetToken() { Registry::Get().Remove(token_); }

bool VcpuState::KickByToken(std::uint64_t token) { return Registry::Get().Kick(token); }

}  // namespace node_kvm
