// An eventfd (JavaScript's `EventFd`): the kernel signals it for a doorbell, or takes its signal as an interrupt.
#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

#include "unique_fd.h"

namespace node_kvm {

// Signals an eventfd. From any thread. Returns 0 or an errno.
int SignalEvent(int fd);

class EventFd : public Napi::ObjectWrap<EventFd> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d04, 0x8be3460fd97c1a25};
  static Napi::Function Define(Napi::Env env);
  explicit EventFd(const Napi::CallbackInfo& info);
  ~EventFd() override { StopWatching(); }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool closed() const { return !fd_.valid(); }

 private:
  // The event loop's watch on the descriptor. It outlives its owner until the loop has let go of it.
  struct Watch {
    uv_poll_t handle{};
    EventFd* owner = nullptr;
    napi_async_cleanup_hook_handle cleanup = nullptr;
  };

  Napi::Value Signal(const Napi::CallbackInfo& info);
  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void StartWatching(Napi::Env env);
  void StopWatching();
  static void OnReadable(uv_poll_t* handle, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data);
  void Deliver();

  UniqueFd fd_;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
  Watch* watch_ = nullptr;  // owned by the event loop once it is started
};

}  // namespace node_kvm
