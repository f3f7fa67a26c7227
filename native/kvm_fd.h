// A KVM descriptor as JavaScript holds it (`Fd`): the ioctls of the table, and a VM's memory slots.
#pragma once

#include <napi.h>

#include <memory>

#include "descriptor.h"
#include "views.h"

namespace node_kvm {

class KvmFd : public Napi::ObjectWrap<KvmFd> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d02, 0x51c20e7d3a8b4f19};
  static Napi::Function Define(Napi::Env env);
  // openKvm(path): the system descriptor.
  static Napi::Value Adopt(const Napi::CallbackInfo& info);
  static Napi::Value Open(const Napi::CallbackInfo& info);

  explicit KvmFd(const Napi::CallbackInfo& info);

  // The descriptor, or an empty pointer after close().
  [[nodiscard]] const std::shared_ptr<Descriptor>& descriptor() const { return descriptor_; }

 private:
  Napi::Value Ioctl(const Napi::CallbackInfo& info);
  Napi::Value Create(const Napi::CallbackInfo& info);
  Napi::Value SetMemory(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Ioeventfd(const Napi::CallbackInfo& info);
  Napi::Value Irqfd(const Napi::CallbackInfo& info);
  Napi::Value RegisterPage(const Napi::CallbackInfo& info);
  Napi::Value Decode(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // The descriptor, when it is open and of one of these kinds; throws otherwise.
  [[nodiscard]] Descriptor& Require(Napi::Env env, std::uint32_t kinds) const;
  int Issue(const Napi::CallbackInfo& info, const struct IoctlRow& row) const;

  std::shared_ptr<Descriptor> descriptor_;
  Views views_{Views::AtTheEnd::kKeepPages};
};

}  // namespace node_kvm
