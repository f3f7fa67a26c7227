// The export list, and nothing else.
#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "addon_data.h"
#include "event_fd.h"
#include "host_file.h"
#include "hub.h"
#include "ioctl_table.h"
#include "kick.h"
#include "memory.h"
#include "plain_fds.h"
#include "shared_layouts.h"
#include "stats_fd.h"
#include "system_fd.h"
#include "tap.h"
#include "userfault.h"
#include "vcpu_run.h"
#include "vhost_fd.h"
#include "vm_fd.h"

namespace node_kvm {
namespace {

// ioctlRow(name): the row of the table that has this ioctl; undefined where this architecture has none. An object of them all
// would take longer to make than a program's few ioctls take to find.
Napi::Value RowOf(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  const auto table = IoctlTable();
  const auto row = std::ranges::find(table, name, &IoctlRow::name);
  if (row == table.end()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), static_cast<double>(row - table.begin()));
}

template <typename... Class>
void DefineFds(Napi::Env env, AddonData& data) {
  (data.fds.emplace(Class::kKind, Napi::Persistent(Class::Define(env))), ...);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<AddonData>();
  DefineFds<SystemFd, VmFd, VcpuFd, DeviceFd, GuestMemFd, StatsFd, VhostFd>(env, *data);
  env.SetInstanceData(data.release());  // the environment owns it, and deletes it when it ends
  exports.Set("adoptKvm", Napi::Function::New<SystemFd::Adopt>(env, "adoptKvm"));
  exports.Set("openKvm", Napi::Function::New<SystemFd::Open>(env, "openKvm"));
  exports.Set("openVhostNet", Napi::Function::New<VhostFd::Open>(env, "openVhostNet"));
  exports.Set("Memory", Memory::Define(env));
  exports.Set("VcpuRun", VcpuRun::Define(env));
  exports.Set("EventFd", EventFd::Define(env));
  exports.Set("Tap", Tap::Define(env));
  exports.Set("Hub", Hub::Define(env));
  exports.Set("Userfault", Userfault::Define(env));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  exports.Set("allocateFile", Napi::Function::New<AllocateFile>(env, "allocateFile"));
  exports.Set("readCached", Napi::Function::New<ReadCached>(env, "readCached"));
  exports.Set("kick", Napi::Function::New<VcpuRun::KickToken>(env, "kick"));
  exports.Set("now", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
                return Napi::Number::New(info.Env(), static_cast<double>(MonotonicNow()) / 1e3);
              }));
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(sysconf(_SC_PAGESIZE))));
  exports.Set("ioctlRow", Napi::Function::New<RowOf>(env, "ioctlRow"));
  exports.Set("registerCell", RegisterCellLayout(env));
  exports.Set("threadPage", ThreadPageLayout(env));
  return exports;
}

}  // namespace
}  // namespace node_kvm

// NODE_API_MODULE wants a name in the global namespace.
static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return node_kvm::Init(env, exports); }
NODE_API_MODULE(node_kvm, InitAddon)
