#include "kvm_fd.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "addon_data.h"
#include "arguments.h"
#include "event_fd.h"
#include "ioctl_links.h"
#include "ioctl_table.h"
#include "system_error.h"
#include "uapi/kvm.h"

namespace node_kvm {
namespace {

Napi::Value Wrap(Napi::Env env, std::shared_ptr<Descriptor> descriptor) {
  auto owned = Napi::External<std::shared_ptr<Descriptor>>::New(env, &descriptor);
  return AddonData::Of(env).kvm_fd.New({owned});
}

// ioctl, again when a signal came between: the thread's wake-up may come after the run that set it, and some calls,
// KVM_CREATE_VM for one, then end with EINTR. KVM_RUN, which must not be repeated, is none of the ioctls here.
template <typename Argument>
int CallKernel(int fd, unsigned long request, Argument argument) {
  for (;;) {
    const int result = ioctl(fd, request, argument);
    if (result >= 0 || errno != EINTR) return result;
  }
}

Napi::Value Result(Napi::Env env, int result) { return Napi::Number::New(env, result < 0 ? -errno : result); }

// Takes its memory from a VM that lives on until its vCPUs' threads are out of the guest: they are told to end, but cannot
// be waited for, because on a busy machine that lasts until all others have had their turns. What stays somebody's when the VM has
// gone must not change any more. When the kernel has deleted a slot, no vCPU is in the guest with it, and no instruction
// that was being emulated still uses it. That takes milliseconds; so what goes with the VM just goes, and the guest's last
// instruction may find zeros. False when the kernel has no memory to delete a slot.
bool TakeMemoryFrom(Descriptor& vm) {
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

// Whether this thread could wait for a page that only this thread can fill.
bool WouldWaitForItself(const Descriptor& descriptor, const IoctlRow& row) {
  if (row.waits_for == WaitsFor::kNobody || descriptor.kind == kSystemFd) return false;
  const Descriptor* vm = &descriptor;
  while (vm->kind != kVmFd) vm = vm->parent.get();
  return row.waits_for == WaitsFor::kVcpus ? vm->MayBeWaiting() : vm->MayWaitForJavaScript();
}

// The call has created no descriptor, and was not to.
constexpr int kNoDescriptor = INT_MIN;

const IoctlRow& RowAt(const Napi::CallbackInfo& info) {
  const std::uint32_t index = ToUint32(info, 0);
  const auto table = IoctlTable();
  if (index >= table.size()) throw Napi::RangeError::New(info.Env(), "no such ioctl row");
  return table[index];
}

}  // namespace

Napi::Function KvmFd::Define(Napi::Env env) {
  return DefineClass(env, "KvmFd",
                     {InstanceMethod<&KvmFd::Ioctl>("ioctl"), InstanceMethod<&KvmFd::Create>("create"),
                      InstanceMethod<&KvmFd::SetMemory>("setMemory"), InstanceMethod<&KvmFd::Read>("read"),
                      InstanceMethod<&KvmFd::Ioeventfd>("ioeventfd"), InstanceMethod<&KvmFd::Irqfd>("irqfd"),
                      InstanceMethod<&KvmFd::RegisterPage>("registerPage"), InstanceMethod<&KvmFd::Decode>("decode"),
                      InstanceMethod<&KvmFd::Close>("close")});
}

KvmFd::KvmFd(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KvmFd>(info) {
  if (!info[0].IsExternal())
    throw Napi::TypeError::New(info.Env(), "descriptors are opened or created, not constructed");
  // SAFETY: the only External that reaches this constructor is the one made in Wrap(), which outlives the call.
  descriptor_ = *info[0].As<Napi::External<std::shared_ptr<Descriptor>>>().Data();
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

Napi::Value KvmFd::Open(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) throw SystemError(info.Env(), "open", errno);
  return Wrap(info.Env(), std::make_shared<Descriptor>(std::move(fd), kSystemFd, nullptr));
}

// adopt(fd): a descriptor of KVM's device that somebody else has opened. It stays theirs: this is another one.
Napi::Value KvmFd::Adopt(const Napi::CallbackInfo& info) {
  UniqueFd fd(fcntl(static_cast<int>(ToUint32(info, 0)), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) throw SystemError(info.Env(), "fcntl", errno);
  return Wrap(info.Env(), std::make_shared<Descriptor>(std::move(fd), kSystemFd, nullptr));
}

Descriptor& KvmFd::Require(Napi::Env env, std::uint32_t kinds) const {
  if (!descriptor_) throw Napi::Error::New(env, "descriptor is closed");
  if ((kinds & descriptor_->kind) == 0) throw Napi::TypeError::New(env, "not an ioctl of this kind of descriptor");
  return *descriptor_;
}

int KvmFd::Issue(const Napi::CallbackInfo& info, const IoctlRow& row) const {
  const Descriptor& descriptor = Require(info.Env(), row.fds);
  if (WouldWaitForItself(descriptor, row)) {
    errno = EDEADLK;
    return -1;
  }
  if (row.shape == ArgShape::kNone) return CallKernel(descriptor.fd.get(), row.request, 0);
  if (row.shape == ArgShape::kValue) return CallKernel(descriptor.fd.get(), row.request, ToUint64(info, 1));
  const auto bytes = ToBytes(info, 1);
  if (!FitsRow(row, descriptor, bytes)) {
    throw Napi::RangeError::New(info.Env(), std::string(row.name) + ": buffer of the wrong length");
  }
  IoctlLinks links(row, bytes);
  links.PutIn(info, 2, descriptor);
  if (row.fd_offset == kNowhere) return CallKernel(descriptor.fd.get(), row.request, bytes.data());
  // The new descriptor, or none where the call was but a question.
  int fd = -1;
  std::memcpy(bytes.data() + row.fd_offset, &fd, sizeof fd);
  const int result = CallKernel(descriptor.fd.get(), row.request, bytes.data());
  if (result == 0) std::memcpy(&fd, bytes.data() + row.fd_offset, sizeof fd);
  std::memset(bytes.data() + row.fd_offset, 0, sizeof fd);
  return result == 0 && fd < 0 ? kNoDescriptor : result == 0 ? fd : result;
}

// ioctl(row, argument?, ...links): the result, or -errno.
Napi::Value KvmFd::Ioctl(const Napi::CallbackInfo& info) {
  const IoctlRow& row = RowAt(info);
  if (row.creates != 0) throw Napi::TypeError::New(info.Env(), std::string(row.name) + " creates a descriptor");
  return Result(info.Env(), Issue(info, row));
}

// create(row, argument?, ...links): the new descriptor, -errno, or 0 when the call was but a question.
Napi::Value KvmFd::Create(const Napi::CallbackInfo& info) {
  const IoctlRow& row = RowAt(info);
  if (row.creates == 0) throw Napi::TypeError::New(info.Env(), std::string(row.name) + " creates no descriptor");
  const int created = Issue(info, row);
  if (created == kNoDescriptor) return Napi::Number::New(info.Env(), 0);
  UniqueFd fd(created);
  if (!fd.valid()) return Result(info.Env(), -1);
  try {
    return Wrap(info.Env(), std::make_shared<Descriptor>(std::move(fd), static_cast<FdKind>(row.creates), descriptor_));
  } catch (const std::bad_alloc&) {
    throw SystemError(info.Env(), "mmap", ENOMEM);
  }
}

// read(offset, bytes): pread of statistics: how many bytes there were, or -errno.
Napi::Value KvmFd::Read(const Napi::CallbackInfo& info) {
  const Descriptor& stats = Require(info.Env(), kStatsFd);
  const auto bytes = ToBytes(info, 1);
  const auto offset = static_cast<off_t>(ToUint64(info, 0));
  return Result(info.Env(), static_cast<int>(pread(stats.fd.get(), bytes.data(), bytes.size(), offset)));
}

// setMemory(slot, flags, guestAddress, size, memory?, offset?, kept?, guestMemfd?, guestMemfdOffset?):
// KVM_SET_USER_MEMORY_REGION, with a guest_memfd KVM_SET_USER_MEMORY_REGION2. Size 0 deletes the slot. `kept`: the memory stays
// somebody's when the VM has gone.
Napi::Value KvmFd::SetMemory(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
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
    const auto& guest_memfd = ToHandle<KvmFd>(info, 7).descriptor();
    if (!guest_memfd || guest_memfd->kind != kGuestMemFd)
      throw Napi::TypeError::New(info.Env(), "not an open guest_memfd");
    region.guest_memfd = static_cast<std::uint32_t>(guest_memfd->fd.get());
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
Napi::Value KvmFd::Ioeventfd(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
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
Napi::Value KvmFd::Irqfd(const Napi::CallbackInfo& info) {
  const Descriptor& vm = Require(info.Env(), kVmFd);
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

// close(): of a VM whose vCPUs have been closed. Who has a share of it still is a vCPU's thread.
Napi::Value KvmFd::Close(const Napi::CallbackInfo& info) {
  views_.DetachAll();
  const bool shared = descriptor_.use_count() > 1;
  if (shared && descriptor_->kind == kVmFd && !TakeMemoryFrom(*descriptor_)) {
    while (descriptor_.use_count() > 1) sched_yield();
  }
  descriptor_.reset();
  return info.Env().Undefined();
}

}  // namespace node_kvm
