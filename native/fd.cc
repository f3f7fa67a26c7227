#include "fd.h"

#include <cerrno>
#include <climits>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "addon_data.h"
#include "arguments.h"
#include "ioctl_links.h"
#include "ioctl_table.h"
#include "kernel_call.h"
#include "system_error.h"

namespace node_kvm {
namespace {

// Whether this thread could wait for a page that only this thread can fill.
bool WouldWaitForItself(const Descriptor& descriptor, const IoctlRow& row) {
  if (row.waits_for == WaitsFor::kNobody || descriptor.vm == nullptr) return false;
  return row.waits_for == WaitsFor::kVcpus ? descriptor.vm->MayBeWaiting() : descriptor.vm->MayWaitForJavaScript();
}

// The call has created no descriptor, and was not to.
constexpr int kNoDescriptor = INT_MIN;

const IoctlRow& RowAt(const Napi::CallbackInfo& info) {
  const std::uint32_t index = ToUint32(info, 0);
  const auto table = IoctlTable();
  if (index >= table.size()) throw Napi::RangeError::New(info.Env(), "no such ioctl row");
  return table[index];
}

std::shared_ptr<Descriptor> MakeDescriptor(UniqueFd fd, FdKind kind, std::shared_ptr<Descriptor> parent) {
  if (kind == kVmFd) return std::make_shared<Vm>(std::move(fd), std::move(parent));
  return std::make_shared<Descriptor>(std::move(fd), kind, std::move(parent));
}

}  // namespace

Fd::Fd(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal())
    throw Napi::TypeError::New(info.Env(), "descriptors are opened or created, not constructed");
  // SAFETY: the only External that reaches a constructor is the one made in Wrap(), which outlives the call.
  descriptor_ = *info[0].As<Napi::External<std::shared_ptr<Descriptor>>>().Data();
}

Napi::Value Fd::Wrap(Napi::Env env, std::shared_ptr<Descriptor> descriptor) {
  const auto& constructor = AddonData::Of(env).fds.at(descriptor->kind);
  return constructor.New({Napi::External<std::shared_ptr<Descriptor>>::New(env, &descriptor)});
}

Descriptor& Fd::Require(Napi::Env env) const {
  if (!descriptor_) throw Napi::Error::New(env, "descriptor is closed");
  return *descriptor_;
}

int Fd::Issue(const Napi::CallbackInfo& info, const IoctlRow& row) const {
  const Descriptor& descriptor = Require(info.Env());
  if ((row.fds & descriptor.kind) == 0) {
    throw Napi::TypeError::New(info.Env(), "not an ioctl of this kind of descriptor");
  }
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
Napi::Value Fd::Ioctl(const Napi::CallbackInfo& info) {
  const IoctlRow& row = RowAt(info);
  if (row.creates != 0) throw Napi::TypeError::New(info.Env(), std::string(row.name) + " creates a descriptor");
  return Result(info.Env(), Issue(info, row));
}

// create(row, argument?, ...links): the new descriptor, -errno, or 0 when the call was but a question.
Napi::Value Fd::Create(const Napi::CallbackInfo& info) {
  const IoctlRow& row = RowAt(info);
  if (row.creates == 0) throw Napi::TypeError::New(info.Env(), std::string(row.name) + " creates no descriptor");
  const int created = Issue(info, row);
  if (created == kNoDescriptor) return Napi::Number::New(info.Env(), 0);
  UniqueFd fd(created);
  if (!fd.valid()) return Result(info.Env(), -1);
  try {
    return Wrap(info.Env(), MakeDescriptor(std::move(fd), static_cast<FdKind>(row.creates), descriptor_));
  } catch (const std::bad_alloc&) {
    throw SystemError(info.Env(), "mmap", ENOMEM);
  }
}

Napi::Value Fd::Close(const Napi::CallbackInfo& info) {
  if (descriptor_) BeforeClose();
  descriptor_.reset();
  return info.Env().Undefined();
}

}  // namespace node_kvm
