#include "stats_fd.h"

#include <unistd.h>

#include "arguments.h"
#include "kernel_call.h"

namespace node_kvm {

Napi::Function StatsFd::Define(Napi::Env env) {
  return DefineFd(env, "StatsFd", {InstanceMethod<&StatsFd::Read>("read")});
}

// read(offset, bytes): how many bytes there were, or -errno.
Napi::Value StatsFd::Read(const Napi::CallbackInfo& info) {
  const Descriptor& stats = Require(info.Env());
  const auto bytes = ToBytes(info, 1);
  const auto offset = static_cast<off_t>(ToUint64(info, 0));
  return Result(info.Env(), static_cast<int>(pread(stats.fd.get(), bytes.data(), bytes.size(), offset)));
}

}  // namespace node_kvm
