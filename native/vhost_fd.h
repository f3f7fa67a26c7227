// The kernel's half of a network card, /dev/vhost-net (JavaScript's `VhostFd`): it moves frames between a tap and the queues in a
// guest's memory. What it may reach is in one table, and this is where the table's addresses come from.
#pragma once

#include "fd.h"

namespace node_kvm {

class VhostFd : public FdOf<VhostFd, kVhostFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env);
  static Napi::Value Open(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] struct Vhost& RequireVhost(Napi::Env env) const;
  Napi::Value SetMemory(const Napi::CallbackInfo& info);
  Napi::Value SetAddresses(const Napi::CallbackInfo& info);
};

}  // namespace node_kvm
