#include "vcpu_run.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

#include "arguments.h"
#include "bare_function.h"
#include "hub.h"
#include "kick.h"
#include "plain_fds.h"
#include "system_error.h"
#include "userfault.h"
#include "vcpu_thread.h"

namespace node_kvm {
namespace {

std::vector<std::uint64_t> Collect(const VcpuThread& thread) {
  const ThreadStats& stats = thread.stats();
  std::vector<std::uint64_t> values(stats.exits.begin(), stats.exits.end());
  for (const auto* counter : {&stats.posted, &stats.latched, &stats.delivered, &stats.notified, &stats.slept}) {
    values.push_back(*counter);
  }
  values.push_back(thread.GuestTime());
  values.push_back(thread.HandlerTime());
  return values;
}

// The capability's value is the ring's page in the mapping. A kernel that knows no ports there would take one for an
// address.
CoalescedRing FindCoalescedRing(const Descriptor& system, const Mapping& page) {
  const int index = ioctl(system.fd.get(), KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
  if (index <= 0 || ioctl(system.fd.get(), KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_PIO) <= 0) return {};
  const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t start = static_cast<std::size_t>(index) * page_size;
  if (page.size() < start + page_size) return {};
  // SAFETY: the kernel has its ring there, for as long as the mapping lives.
  return CoalescedRing(reinterpret_cast<kvm_coalesced_mmio_ring*>(page.data() + start));
}

}  // namespace

Napi::Function VcpuRun::Define(Napi::Env env) {
  return DefineClass(
      env, "VcpuRun",
      {InstanceMethod<&VcpuRun::Runner>("runner"), InstanceMethod<&VcpuRun::Complete>("complete"),
       InstanceMethod<&VcpuRun::Kick>("kick"), InstanceMethod<&VcpuRun::Page>("page"),
       InstanceMethod<&VcpuRun::Token>("token"), InstanceMethod<&VcpuRun::DirtyRing>("dirtyRing"),
       InstanceMethod<&VcpuRun::Start>("start"), InstanceMethod<&VcpuRun::Stop>("stop"),
       InstanceMethod<&VcpuRun::ComeOut>("comeOut"), InstanceMethod<&VcpuRun::ThreadBuffer>("threadBuffer"),
       InstanceMethod<&VcpuRun::Stats>("stats"), InstanceMethod<&VcpuRun::Close>("close")});
}

// new VcpuRun(fd): maps the kvm_run page of that vCPU.
VcpuRun::VcpuRun(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VcpuRun>(info) {
  const Napi::Env env = info.Env();
  auto descriptor = ToHandle<VcpuFd>(info, 0).descriptor();
  if (!descriptor) throw Napi::Error::New(env, "descriptor is closed");
  if (const int error = PrepareKicks(); error != 0) throw SystemError(env, "sigaction", error);
  // The kernel says how much of the descriptor can be mapped; a page past that would be SIGBUS.
  const Descriptor& system = *descriptor->parent->parent;
  const int size = ioctl(system.fd.get(), KVM_GET_VCPU_MMAP_SIZE, 0);
  if (size < 0) throw SystemError(env, "KVM_GET_VCPU_MMAP_SIZE", errno);
  auto page = Mapping::Map(static_cast<std::size_t>(size), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor->fd.get());
  if (!page) throw SystemError(env, "mmap", errno);
  const CoalescedRing coalesced = FindCoalescedRing(system, *page);
  state_ = std::make_shared<VcpuState>(std::move(descriptor), std::move(page), coalesced);
  slot_->state = state_;
}

VcpuState& VcpuRun::Require(Napi::Env env) const {
  if (!state_) throw Napi::Error::New(env, "vCPU is closed");
  return *state_;
}

// runner(): a function run(deadline) that returns a RunResult or -errno. The deadline is in microseconds of
// CLOCK_MONOTONIC; 0 means none. Microseconds stay exact in a JavaScript number for centuries; one far ahead is the same
// as none.
Napi::Value VcpuRun::Runner(const Napi::CallbackInfo& info) {
  static_cast<void>(Require(info.Env()));
  return MakeBareFunction(info.Env(), "run", RunFromJavaScript, slot_.get(), slot_);
}

napi_value VcpuRun::RunFromJavaScript(napi_env env, napi_callback_info info) {
  std::size_t count = 1;
  napi_value argument = nullptr;
  void* data = nullptr;
  double microseconds = 0;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, &data) != napi_ok || count != 1 ||
      napi_get_value_double(env, argument, &microseconds) != napi_ok || !(microseconds >= 0)) {
    napi_throw_type_error(env, nullptr, "run() takes a deadline");
    return nullptr;
  }
  // SAFETY: the function keeps its slot alive; close() empties it.
  VcpuState* state = static_cast<RunSlot*>(data)->state.get();
  if (state == nullptr) {
    napi_throw_error(env, nullptr, "vCPU is closed");
    return nullptr;
  }
  const std::uint64_t deadline = microseconds > kMaxSafeInteger ? 0 : static_cast<std::uint64_t>(microseconds) * 1000;
  std::int32_t outcome = -EDEADLK;  // in the guest this thread would wait for itself
  try {
    if (!state->vm().MayWaitForJavaScript()) outcome = state->Run(deadline);
  } catch (const std::bad_alloc&) {
    outcome = -ENOMEM;  // for the wake-up, before the guest was entered
  }
  napi_value result = nullptr;
  napi_create_int32(env, outcome, &result);
  return result;
}

Napi::Value VcpuRun::Complete(const Napi::CallbackInfo& info) {
  VcpuState& state = Require(info.Env());
  const Napi::Env env = info.Env();
  if (thread_) {
    return Napi::Number::New(env, thread_->Complete([env] {
      if (open_userfaults != 0) Userfault::DeliverAll(env);
    }));
  }
  return Napi::Number::New(env, state.vm().MayWaitForJavaScript() ? -EDEADLK : state.Complete());
}

Napi::Value VcpuRun::Kick(const Napi::CallbackInfo& info) {
  Require(info.Env()).Kick();
  return info.Env().Undefined();
}

// page(): the kvm_run page as an ArrayBuffer, detached by close().
Napi::Value VcpuRun::Page(const Napi::CallbackInfo& info) {
  const auto& page = Require(info.Env()).page();
  return views_.Make(info.Env(), page, 0, page->size());
}

// dirtyRing(bytes): the vCPU's ring of struct kvm_dirty_gfn as an ArrayBuffer, detached by close(). The VM has to have rings of that
// size (KVM_CAP_DIRTY_LOG_RING): the kernel maps without a question, and where there is no ring an access is SIGBUS.
Napi::Value VcpuRun::DirtyRing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const VcpuState& state = Require(env);
  const std::uint64_t size = ToUint64(info, 0);
  const auto page_size = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (size == 0 || size % page_size != 0) throw Napi::RangeError::New(env, "a ring has whole pages");
  auto ring = Mapping::Map(size, PROT_READ | PROT_WRITE, MAP_SHARED, state.descriptor()->fd.get(),
                           KVM_DIRTY_LOG_PAGE_OFFSET * page_size);
  if (!ring) throw SystemError(env, "mmap", errno);
  // Asks for every page, which fails where an access would be SIGBUS. Linux 5.14 has this, and rings since 5.11.
  if (madvise(ring->data(), size, MADV_POPULATE_READ) != 0) throw SystemError(env, "madvise", errno);
  dirty_ring_ = std::move(ring);
  return views_.Make(env, dirty_ring_, 0, size);
}

Napi::Value VcpuRun::Token(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Require(info.Env()).token()));
}

VcpuThread& VcpuRun::RequireThread(Napi::Env env) const {
  if (!thread_) throw Napi::Error::New(env, "the vCPU has no thread");
  return *thread_;
}

// start(hub, outside): gives the vCPU a thread, and returns its seat at the hub. The thread begins to run the guest, or
// outside of it with RunResult::kOut.
Napi::Value VcpuRun::Start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  static_cast<void>(Require(env));
  Hub& hub = ToHandle<Hub>(info, 0);
  if (thread_) throw Napi::Error::New(env, "the vCPU has a thread already");
  try {
    hub.MakeRoom();
    thread_ = std::make_shared<VcpuThread>(state_, hub.meeting(), info[1].ToBoolean());
  } catch (const std::system_error& error) {
    throw SystemError(env, "pthread_create", error.code().value());
  } catch (const std::bad_alloc&) {
    throw SystemError(env, "mmap", ENOMEM);
  }
  return Napi::Number::New(env, hub.Add(thread_));
}

// stop(): ends the thread wherever it is, so that the vCPU can be run again. The caller removes it from the hub, which
// waits for the thread's end when there is time.
Napi::Value VcpuRun::Stop(const Napi::CallbackInfo& info) {
  if (thread_) {
    last_stats_ = Collect(*thread_);
    thread_->Stop();
    state_->ForbidCoalescing();
  }
  LetGoOfThread();
  return info.Env().Undefined();
}

void VcpuRun::LetGoOfThread() {
  thread_views_.DetachAll();
  thread_.reset();
}

Napi::Value VcpuRun::ComeOut(const Napi::CallbackInfo& info) {
  RequireThread(info.Env()).ComeOut();
  return info.Env().Undefined();
}

// threadBuffer(): the ThreadPage as an ArrayBuffer, detached by stop().
Napi::Value VcpuRun::ThreadBuffer(const Napi::CallbackInfo& info) {
  const auto& mapping = RequireThread(info.Env()).mapping();
  return thread_views_.Make(info.Env(), mapping, 0, mapping->size());
}

// stats(): of the thread, or of the last one that was: the counters of ThreadStats in order, as numbers: first the exits
// by reason, then the others. Empty when there was none.
Napi::Value VcpuRun::Stats(const Napi::CallbackInfo& info) {
  const std::vector<std::uint64_t> values = thread_ ? Collect(*thread_) : last_stats_;
  Napi::Float64Array result = Napi::Float64Array::New(info.Env(), values.size());
  std::ranges::transform(values, result.Data(), [](std::uint64_t value) { return static_cast<double>(value); });
  return result;
}

// close(): ends the thread wherever it is, and waits for nobody: a thread in the guest owns what it needs.
Napi::Value VcpuRun::Close(const Napi::CallbackInfo& info) {
  if (thread_) {
    last_stats_ = Collect(*thread_);
    thread_->BeginStop();
  }
  LetGoOfThread();
  views_.DetachAll();
  // The mapping holds the VM, and the ArrayBuffer over it may live on until garbage collection.
  if (dirty_ring_) dirty_ring_->Release();
  dirty_ring_.reset();
  if (state_) state_->ForgetToken();
  slot_->state.reset();
  state_.reset();
  return info.Env().Undefined();
}

// kick(token): whether a vCPU with that token was there.
Napi::Value VcpuRun::KickToken(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), VcpuState::KickByToken(ToUint64(info, 0)));
}

}  // namespace node_kvm
