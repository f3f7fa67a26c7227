// A queue of a tap interface (JavaScript's `Tap`): Ethernet frames, each behind its struct virtio_net_hdr_v1.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "loop_watch.h"
#include "unique_fd.h"

namespace node_kvm {

class Tap : public Napi::ObjectWrap<Tap>, private LoopWatch::Reader {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d05, 0x3c71f04be8a92d66};
  static Napi::Function Define(Napi::Env env);
  explicit Tap(const Napi::CallbackInfo& info);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool closed() const { return !fd_.valid(); }

 private:
  Napi::Value Name(const Napi::CallbackInfo& info);
  Napi::Value Read(const Napi::CallbackInfo& info);
  Napi::Value Write(const Napi::CallbackInfo& info);
  Napi::Value SetOffload(const Napi::CallbackInfo& info);
  Napi::Value Listen(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void OnReadable() override;

  UniqueFd fd_;
  std::string name_;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
  LoopWatch watch_;
  bool listens_ = false;
};

}  // namespace node_kvm
