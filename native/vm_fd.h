// A VM: what its ioctls of the table cannot say, because memory, eventfds and the register page come in.
#pragma once

#include "fd.h"
#include "views.h"

namespace node_kvm {

class VmFd : public FdOf<VmFd, kVmFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env);

 private:
  Napi::Value SetMemory(const Napi::CallbackInfo& info);
  Napi::Value Ioeventfd(const Napi::CallbackInfo& info);
  Napi::Value Irqfd(const Napi::CallbackInfo& info);
  Napi::Value RegisterPage(const Napi::CallbackInfo& info);
  Napi::Value Decode(const Napi::CallbackInfo& info);
  void BeforeClose() override;
  [[nodiscard]] Vm& RequireVm(Napi::Env env) const { return *Require(env).vm; }

  Views views_{Views::AtTheEnd::kKeepPages};
};

}  // namespace node_kvm
