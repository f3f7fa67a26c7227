// The event loop's watch on a descriptor: the JavaScript thread is called when there is something to read.
#pragma once

#include <napi.h>
#include <uv.h>

namespace node_kvm {

class LoopWatch {
 public:
  // Whom to call. The owner outlives its watch, and may stop it in the call.
  class Reader {
   public:
    Reader() = default;
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    virtual void OnReadable() = 0;

   protected:
    ~Reader() = default;
  };

  LoopWatch() = default;
  ~LoopWatch() { Stop(); }
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  // Throws a JavaScript error. The descriptor must stay open until Stop().
  void Start(Napi::Env env, int fd, Reader& reader);
  void Stop();
  // Whether the loop goes on for this alone. It does at first.
  void Ref();
  void Unref();

 private:
  // What the loop knows. It outlives its owner until the loop has let go of it.
  struct State {
    uv_poll_t handle{};
    LoopWatch* owner = nullptr;
    Reader* reader = nullptr;
    napi_async_cleanup_hook_handle cleanup = nullptr;
  };

  static void OnReadable(uv_poll_t* handle, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data);

  State* state_ = nullptr;  // owned by the event loop once it is started
};

}  // namespace node_kvm
