// Calls of the kernel for JavaScript, which gets the result, or -errno.
#pragma once

#include <napi.h>
#include <sys/ioctl.h>

#include <cerrno>

namespace node_kvm {

// ioctl, again when a signal came between: the thread's wake-up may come after the run that set it, and some calls,
// KVM_CREATE_VM for one, then end with EINTR. KVM_RUN, which must not be repeated, is none of the ioctls here.
template <typename Argument>
int CallKernel(int fd, unsigned long request, Argument argument) {
  for (;;) {
    const int result = ioctl(fd, request, argument);
    if (result >= 0 || errno != EINTR) return result;
  }
}

inline Napi::Value Result(Napi::Env env, int result) { return Napi::Number::New(env, result < 0 ? -errno : result); }

}  // namespace node_kvm
