#include "vm_fd.h"

#include <sched.h>

#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "arguments.h"
#include "event_fd.h"
#include "kernel_call.h"
#include "plain_fds.h"
#include "uapi/kvm.h"

namespace node_kvm {
namespace {

// Takes its memory from a VM that lives on until its vCPUs' threads are out of the guest: they are told to end, but cannot
// be waited for, because on a busy machine that lasts until all others have had their turns. What stays somebody's when the VM has
// gone must not change any more. When the kernel has deleted a slot, no vCPU is in the guest with it, and no instruction
// that was being emulated still uses it. That takes milliseconds; so what goes with the VM just goes, and the guest's last
// instruction may find zeros. False when the kernel has no memory to delete a slot.
bool TakeMemoryFrom(Vm& vm) {
  for (auto slot = vm.slots.begin(); slot != vm.slots.end();) {
    slot->second.memory().EndUserfault();  // or the kernel would wait for a vCPU that waits for this thread
    if (slot->second.kept()) {
      kvm_userspace_memory_region region{};
      region.slot = slot->first;
      if (CallKernel(vm.fd.get(), KVM_SET_USER_MEMORY_REGION, &region) != 0) return false;
      slot = vm.slots.erase(slot);
    } else {
      (slot++)->second.LetGo();
    }
  }
  return true;
}

constexpr std::size_t kRowNumbers = 5;

// A row's number, of which `limit` is the highest.
std::uint64_t RowNumber(Napi::Env env, double number, double limit) {
  if (!(number >= 0 && number <= limit && std::floor(number) == number)) {
    throw Napi::RangeError::New(env, "a row has whole numbers in their range");
  }
  return static_cast<std::uint64_t>(number);
}

}  // namespace

Napi::Function VmFd::Define(Napi::Env env) {
  return DefineFd(env, "VmFd",
                  {InstanceMethod<&VmFd::SetMemory>("setMemory"), InstanceMethod<&VmFd::Ioeventfd>("ioeventfd"),
                   InstanceMethod<&VmFd::Irqfd>("irqfd"), InstanceMethod<&VmFd::RegisterPage>("registerPage"),
                   InstanceMethod<&VmFd::Decode>("decode")});
}

// setMemory(slot, flags, guestAddress, size, memory?, offset?, kept?, guestMemfd?, guestMemfdOffset?):
// KVM_SET_USER_MEMORY_REGION, with a guest_memfd KVM_SET_USER_MEMORY_REGION2. Size 0 deletes the slot. `kept`: the memory stays
// somebody's when the VM has gone.
Napi::Value VmFd::SetMemory(const Napi::CallbackInfo& info) {
  Vm& vm = RequireVm(info.Env());
  // The second struct begins with the members of the first.
  kvm_userspace_memory_region2 region{};
  region.slot = ToUint32(info, 0);
  region.flags = ToUint32(info, 1);
  region.guest_phys_addr = ToUint64(info, 2);
  region.memory_size = ToUint64(info, 3);
  if (vm.MayBeWaiting()) return Napi::Number::New(info.Env(), -EDEADLK);
  if (region.memory_size == 0) {
    const int deleted = CallKernel(vm.fd.get(), KVM_SET_USER_MEMORY_REGION, &region);
    if (deleted == 0) vm.slots.erase(region.slot);
    return Result(info.Env(), deleted);
  }
  const auto& memory = ToHandle<Memory>(info, 4).state();
  const std::uint64_t offset = ToUint64(info, 5);
  if (!memory) throw Napi::Error::New(info.Env(), "memory is closed");
  const std::size_t available = memory->mapping->size();
  if (offset > available || region.memory_size > available - offset) {
    throw Napi::RangeError::New(info.Env(), "slot outside the memory");
  }
  // SAFETY: the kernel wants the host address as a number; the slot kept below holds the mapping.
  region.userspace_addr = reinterpret_cast<std::uintptr_t>(memory->mapping->data() + offset);
  const bool with_guest_memfd = info[7].IsObject();
  if (with_guest_memfd) {
    const Descriptor& guest_memfd = ToHandle<GuestMemFd>(info, 7).Require(info.Env());
    region.guest_memfd = static_cast<std::uint32_t>(guest_memfd.fd.get());
    region.guest_memfd_offset = ToUint64(info, 8);
  }
  MemorySlot slot(memory, region.memory_size, info[6].ToBoolean());
  const unsigned long request = with_guest_memfd ? KVM_SET_USER_MEMORY_REGION2 : KVM_SET_USER_MEMORY_REGION;
  const int result = CallKernel(vm.fd.get(), request, &region);
  if (result == 0) {
    vm.slots.erase(region.slot);
    vm.slots.emplace(region.slot, std::move(slot));
  }
  return Result(info.Env(), result);
}

// ioeventfd(assign, eventfd, space, address, length, datamatch?): KVM_IOEVENTFD. Length 0 takes every width.
Napi::Value VmFd::Ioeventfd(const Napi::CallbackInfo& info) {
  Vm& vm = RequireVm(info.Env());
  const EventFd& event = ToHandle<EventFd>(info, 1);
  if (event.closed()) throw Napi::Error::New(info.Env(), "the eventfd is closed");
  if (vm.MayBeWaiting()) return Napi::Number::New(info.Env(), -EDEADLK);
  kvm_ioeventfd request{};
  request.fd = event.fd();
  request.addr = ToUint64(info, 3);
  request.len = ToUint32(info, 4);
  if (static_cast<Space>(ToUint32(info, 2)) == Space::kPort) request.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (info[5].IsBigInt()) {
    request.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
    request.datamatch = ToBigUint64(info, 5);
  }
  if (!info[0].ToBoolean()) request.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
  const Napi::Value result = Result(info.Env(), CallKernel(vm.fd.get(), KVM_IOEVENTFD, &request));
  // Of two that could take a write, the kernel asks the one that was registered first. Afterwards, because vCPU threads
  // may turn it on at any time.
  vm.coalesced.TurnOff(vm.fd.get());
  return result;
}

// irqfd(assign, eventfd, gsi, resample?): KVM_IRQFD. `resample` is the eventfd that tells of the guest's EOI.
Napi::Value VmFd::Irqfd(const Napi::CallbackInfo& info) {
  const Vm& vm = RequireVm(info.Env());
  const EventFd& event = ToHandle<EventFd>(info, 1);
  if (event.closed()) throw Napi::Error::New(info.Env(), "the eventfd is closed");
  kvm_irqfd request{};
  request.fd = static_cast<std::uint32_t>(event.fd());
  request.gsi = ToUint32(info, 2);
  if (info[0].ToBoolean()) {
    if (info[3].IsObject()) {
      const EventFd& resample = ToHandle<EventFd>(info, 3);
      if (resample.closed()) throw Napi::Error::New(info.Env(), "the eventfd is closed");
      request.flags = KVM_IRQFD_FLAG_RESAMPLE;
      request.resamplefd = static_cast<std::uint32_t>(resample.fd());
    }
  } else {
    request.flags = KVM_IRQFD_FLAG_DEASSIGN;
  }
  return Result(info.Env(), CallKernel(vm.fd.get(), KVM_IRQFD, &request));
}

// registerPage(): the cells, detached by close().
Napi::Value VmFd::RegisterPage(const Napi::CallbackInfo& info) {
  const auto& mapping = RequireVm(info.Env()).registers.mapping();
  return views_.Make(info.Env(), mapping, 0, mapping->size());
}

// decode(rows): the table from now on: a Float64Array of space, start, length, cell and listener for each row.
Napi::Value VmFd::Decode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Vm& vm = RequireVm(env);
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(env, "rows must be a Float64Array");
  }
  const auto numbers = info[0].As<Napi::Float64Array>();
  if (numbers.ElementLength() % kRowNumbers != 0) throw Napi::RangeError::New(env, "a row has five numbers");
  std::vector<DecodeRow> rows;
  rows.reserve(numbers.ElementLength() / kRowNumbers);
  for (std::size_t at = 0; at < numbers.ElementLength(); at += kRowNumbers) {
    rows.push_back({static_cast<Space>(RowNumber(env, numbers[at], 1)),
                    RowNumber(env, numbers[at + 1], kMaxSafeInteger), RowNumber(env, numbers[at + 2], kMaxSafeInteger),
                    static_cast<std::uint32_t>(RowNumber(env, numbers[at + 3], UINT32_MAX)),
                    static_cast<std::uint32_t>(RowNumber(env, numbers[at + 4], UINT32_MAX))});
  }
  if (!vm.registers.Decode(std::move(rows))) throw Napi::RangeError::New(env, "rows are sorted and do not overlap");
  // What the kernel gathers may be nobody's now, or another's. Afterwards, because vCPU threads may turn it on at any time.
  vm.coalesced.TurnOff(vm.fd.get());
  return env.Undefined();
}

// Its vCPUs have been closed. Who has a share of it still is a vCPU's thread.
void VmFd::BeforeClose() {
  views_.DetachAll();
  const auto shared = [this] { return descriptor().use_count() > 1; };
  if (!shared() || TakeMemoryFrom(*descriptor()->vm)) return;
  while (shared()) sched_yield();
}

}  // namespace node_kvm
