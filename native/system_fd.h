// KVM's device, /dev/kvm.
#pragma once

#include "fd.h"

namespace node_kvm {

class SystemFd : public FdOf<SystemFd, kSystemFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env) { return DefineFd(env, "SystemFd"); }
  static Napi::Value Open(const Napi::CallbackInfo& info);
  static Napi::Value Adopt(const Napi::CallbackInfo& info);
};

}  // namespace node_kvm
