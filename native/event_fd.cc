#include "event_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "system_error.h"

namespace node_kvm {

int SignalEvent(int fd) {
  const std::uint64_t one = 1;
  // The counter can only be full (EAGAIN) when it is signalled already.
  return write(fd, &one, sizeof one) == sizeof one || errno == EAGAIN ? 0 : errno;
}

Napi::Function EventFd::Define(Napi::Env env) {
  return DefineClass(env, "EventFd",
                     {InstanceMethod<&EventFd::Signal>("signal"), InstanceMethod<&EventFd::Ref>("ref"),
                      InstanceMethod<&EventFd::Unref>("unref"), InstanceMethod<&EventFd::Close>("close")});
}

// new EventFd(callback?): the callback gets the number of signals since it was called last.
EventFd::EventFd(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EventFd>(info) {
  const Napi::Env env = info.Env();
  fd_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd_.valid()) throw SystemError(env, "eventfd", errno);
  if (info[0].IsFunction()) {
    callback_ = Napi::Persistent(info[0].As<Napi::Function>());
    context_ = std::make_unique<Napi::AsyncContext>(env, "node-kvm.EventFd");
    StartWatching(env);
  }
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

void EventFd::StartWatching(Napi::Env env) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "there is no event loop");
  auto watch = std::make_unique<Watch>();
  watch->owner = this;
  watch->handle.data = watch.get();
  const int initialized = uv_poll_init(loop, &watch->handle, fd_.get());
  if (initialized != 0) throw SystemError(env, "uv_poll_init", -initialized);
  // From here on the loop knows the handle: the watch is freed when the loop has closed it.
  watch_ = watch.release();
  const int started = uv_poll_start(&watch_->handle, UV_READABLE, OnReadable);
  if (started == 0 && napi_add_async_cleanup_hook(env, OnEnvironmentEnd, watch_, &watch_->cleanup) == napi_ok) return;
  StopWatching();
  if (started != 0) throw SystemError(env, "uv_poll_start", -started);
  throw Napi::Error::New(env);
}

void EventFd::StopWatching() {
  if (watch_ == nullptr) return;
  Watch* watch = watch_;
  watch_ = nullptr;
  watch->owner = nullptr;
  uv_poll_stop(&watch->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->handle), [](uv_handle_t* handle) {
    // SAFETY: `data` is the Watch that StartWatching() released to the loop; the loop calls this exactly once.
    const std::unique_ptr<Watch> reclaimed(static_cast<Watch*>(handle->data));
    if (reclaimed->cleanup != nullptr) napi_remove_async_cleanup_hook(reclaimed->cleanup);
  });
}

// The environment ends: it waits until the handle is closed and the hook removed.
void EventFd::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  // SAFETY: the hook is removed before its Watch is freed. Without an owner the handle is being closed already.
  if (EventFd* owner = static_cast<Watch*>(data)->owner) owner->StopWatching();
}

void EventFd::OnReadable(uv_poll_t* handle, int, int) {
  // SAFETY: as above; after StopWatching() there is no owner and no call.
  if (EventFd* owner = static_cast<Watch*>(handle->data)->owner) owner->Deliver();
}

void EventFd::Deliver() {
  std::uint64_t count = 0;
  if (read(fd_.get(), &count, sizeof count) != sizeof count) return;
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  try {
    callback_.MakeCallback(env.Global(), {Napi::Number::New(env, static_cast<double>(count))}, *context_);
  } catch (const Napi::Error& error) {
    // What a callback throws is an uncaught exception, as in any event of Node.
    napi_fatal_exception(env, error.Value());
  }
}

Napi::Value EventFd::Signal(const Napi::CallbackInfo& info) {
  if (closed()) throw Napi::Error::New(info.Env(), "the eventfd is closed");
  if (const int error = SignalEvent(fd_.get()); error != 0) throw SystemError(info.Env(), "write", error);
  return info.Env().Undefined();
}

Napi::Value EventFd::Ref(const Napi::CallbackInfo& info) {
  if (watch_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&watch_->handle));
  return info.Env().Undefined();
}

Napi::Value EventFd::Unref(const Napi::CallbackInfo& info) {
  if (watch_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&watch_->handle));
  return info.Env().Undefined();
}

Napi::Value EventFd::Close(const Napi::CallbackInfo& info) {
  StopWatching();
  fd_ = UniqueFd();
  return info.Env().Undefined();
}

}  // namespace node_kvm
