// A KVM descriptor as JavaScript holds it (`Fd`): the ioctls of the table, and a VM's memory slots.
#pragma once

#include <napi.h>

#include <memory>

#include "descriptor.h"

namespace node_kvm {

class KvmFd : public Napi::ObjectWrap<KvmFd> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d02, 0x51c20e7d3a8b4f19};
  static Napi::Function Define(Napi::Env env);
  // openKvm(path): the system descriptor.
  static Napi::Value Open(const Napi::CallbackInfo& info);

  explicit KvmFd(const Napi::CallbackInfo& info);

  // The descriptor, or an empty pointer after close().
  [[nodiscard]] const std::shared_ptr<Descriptor>& descriptor() const { return descriptor_; }

 private:
  Napi::Value Ioctl(const Napi::CallbackInfo& info);
  Napi::Value Create(const Napi::CallbackInfo& info);
  Napi::Value SetMemory(const Napi::CallbackInfo& info);
  Napi::Value GetDirtyLog(const Napi::CallbackInfo& info);
  Napi::Value Ioeventfd(const Napi::CallbackInfo& info);
  Napi::Value Irqfd(const Napi::CallbackInfo& info);
  Napi::Value Post(const Napi::CallbackInfo& info);
  Napi::Value Latch(const Napi::CallbackInfo& info);
  Napi::Value SetLatch(const Napi::CallbackInfo& info);
  Napi::Value LatchIndexed(const Napi::CallbackInfo& info);
  Napi::Value SetIndexed(const Napi::CallbackInfo& info);
  Napi::Value ChosenIndexed(const Napi::CallbackInfo& info);
  Napi::Value ClearIndexed(const Napi::CallbackInfo& info);
  Napi::Value LatchCounter(const Napi::CallbackInfo& info);
  Napi::Value SetCounter(const Napi::CallbackInfo& info);
  Napi::Value RemoveFast(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // The descriptor, when it is open and of one of these kinds; throws otherwise.
  [[nodiscard]] Descriptor& Require(Napi::Env env, std::uint32_t kinds) const;
  int Issue(const Napi::CallbackInfo& info, const struct IoctlRow& row) const;

  std::shared_ptr<Descriptor> descriptor_;
};

}  // namespace node_kvm
