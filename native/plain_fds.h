// Descriptors that have nothing but their ioctls. (A vCPU is run by VcpuRun, vcpu_run.h.)
#pragma once

#include "fd.h"

namespace node_kvm {

class VcpuFd : public FdOf<VcpuFd, kVcpuFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env) { return DefineFd(env, "VcpuFd"); }
};

class DeviceFd : public FdOf<DeviceFd, kDeviceFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env) { return DefineFd(env, "DeviceFd"); }
};

class GuestMemFd : public FdOf<GuestMemFd, kGuestMemFd> {
 public:
  using FdOf::FdOf;
  static Napi::Function Define(Napi::Env env) { return DefineFd(env, "GuestMemFd"); }
};

}  // namespace node_kvm
