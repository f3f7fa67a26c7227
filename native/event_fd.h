// An eventfd (JavaScript's `EventFd`): the kernel signals it for a doorbell, or takes its signal as an interrupt.
#pragma once

#include <napi.h>

#include <memory>

#include "loop_watch.h"
#include "unique_fd.h"

namespace node_kvm {

// Signals an eventfd. From any thread. Returns 0 or an errno.
int SignalEvent(int fd);

class EventFd : public Napi::ObjectWrap<EventFd>, private LoopWatch::Reader {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d04, 0x8be3460fd97c1a25};
  static Napi::Function Define(Napi::Env env);
  explicit EventFd(const Napi::CallbackInfo& info);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool closed() const { return !fd_.valid(); }

 private:
  Napi::Value Signal(const Napi::CallbackInfo& info);
  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnReadable() override;

  UniqueFd fd_;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
  LoopWatch watch_;
};

}  // namespace node_kvm
