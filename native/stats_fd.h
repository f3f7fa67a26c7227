// What the kernel counts of a VM or a vCPU.
#pragma once

#include "fd.h"

namespace node_kvm {

class StatsFd : public FdOf<StatsFd, kStatsFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env);

 private:
  Napi::Value Read(const Napi::CallbackInfo& info);
};

}  // namespace node_kvm
