// A vCPU as JavaScript holds it (`VcpuRun`).
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "mapping.h"
#include "vcpu_state.h"
#include "views.h"

namespace node_kvm {

class VcpuThread;

class VcpuRun : public Napi::ObjectWrap<VcpuRun> {
 public:
  static Napi::Function Define(Napi::Env env);
  static Napi::Value KickToken(const Napi::CallbackInfo& info);
  explicit VcpuRun(const Napi::CallbackInfo& info);

 private:
  // What the functions of runner() run; empty after close().
  struct RunSlot {
    std::shared_ptr<VcpuState> state;
  };

  Napi::Value Runner(const Napi::CallbackInfo& info);
  static napi_value RunFromJavaScript(napi_env env, napi_callback_info info);
  Napi::Value Complete(const Napi::CallbackInfo& info);
  Napi::Value Kick(const Napi::CallbackInfo& info);
  Napi::Value Page(const Napi::CallbackInfo& info);
  Napi::Value Token(const Napi::CallbackInfo& info);
  Napi::Value DirtyRing(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Stop(const Napi::CallbackInfo& info);
  Napi::Value ComeOut(const Napi::CallbackInfo& info);
  Napi::Value ThreadBuffer(const Napi::CallbackInfo& info);
  Napi::Value Stats(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  void LetGoOfThread();
  [[nodiscard]] VcpuState& Require(Napi::Env env) const;
  [[nodiscard]] VcpuThread& RequireThread(Napi::Env env) const;

  std::shared_ptr<VcpuState> state_;
  std::shared_ptr<RunSlot> slot_ = std::make_shared<RunSlot>();
  std::shared_ptr<VcpuThread> thread_;
  std::shared_ptr<Mapping> dirty_ring_;    // none unless DirtyRing() was called
  std::vector<std::uint64_t> last_stats_;  // of the thread that has ended
  Views thread_views_{Views::AtTheEnd::kKeepPages};
  Views views_{Views::AtTheEnd::kKeepPages};
};

}  // namespace node_kvm
