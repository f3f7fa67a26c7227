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
    watch_.Start(env, fd_.get(), *this);
  }
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

void EventFd::OnReadable() {
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
  watch_.Ref();
  return info.Env().Undefined();
}

Napi::Value EventFd::Unref(const Napi::CallbackInfo& info) {
  watch_.Unref();
  return info.Env().Undefined();
}

Napi::Value EventFd::Close(const Napi::CallbackInfo& info) {
  watch_.Stop();
  fd_ = UniqueFd();
  callback_.Reset();  // it may refer to this eventfd, which nobody could collect then
  return info.Env().Undefined();
}

}  // namespace node_kvm
