// What the addon keeps per environment (the main thread and each worker have one).
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <vector>

namespace node_kvm {

class Userfault;

struct AddonData {
  std::map<std::uint32_t, Napi::FunctionReference> fds;  // the constructor of each FdKind, for what ioctls create
  std::vector<Userfault*> userfaults;                    // those that are open; each takes itself out

  static AddonData& Of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

}  // namespace node_kvm
