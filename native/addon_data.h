// What the addon keeps per environment (the main thread and each worker have one).
#pragma once

#include <napi.h>

namespace node_kvm {

struct AddonData {
  Napi::FunctionReference kvm_fd;  // the constructor, for descriptors that ioctls create

  static AddonData& Of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace node_kvm
