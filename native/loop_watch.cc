#include "loop_watch.h"

#include <memory>

#include "system_error.h"

namespace node_kvm {

void LoopWatch::Start(Napi::Env env, int fd, Reader& reader) {
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) throw Napi::Error::New(env, "there is no event loop");
  auto state = std::make_unique<State>();
  state->owner = this;
  state->reader = &reader;
  state->handle.data = state.get();
  const int initialized = uv_poll_init(loop, &state->handle, fd);
  if (initialized != 0) throw SystemError(env, "uv_poll_init", -initialized);
  // From here on the loop knows the handle: the state is freed when the loop has closed it.
  state_ = state.release();
  const int started = uv_poll_start(&state_->handle, UV_READABLE, OnReadable);
  if (started == 0 && napi_add_async_cleanup_hook(env, OnEnvironmentEnd, state_, &state_->cleanup) == napi_ok) return;
  Stop();
  if (started != 0) throw SystemError(env, "uv_poll_start", -started);
  throw Napi::Error::New(env);
}

void LoopWatch::Stop() {
  if (state_ == nullptr) return;
  State* state = state_;
  state_ = nullptr;
  state->owner = nullptr;
  uv_poll_stop(&state->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&state->handle), [](uv_handle_t* handle) {
    // SAFETY: `data` is the State that Start() released to the loop; the loop calls this exactly once.
    const std::unique_ptr<State> reclaimed(static_cast<State*>(handle->data));
    if (reclaimed->cleanup != nullptr) napi_remove_async_cleanup_hook(reclaimed->cleanup);
  });
}

// The environment ends: it waits until the handle is closed and the hook removed.
void LoopWatch::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  // SAFETY: the hook is removed before its State is freed. Without an owner the handle is being closed already.
  if (LoopWatch* owner = static_cast<State*>(data)->owner) owner->Stop();
}

void LoopWatch::OnReadable(uv_poll_t* handle, int, int) {
  // SAFETY: as above; after Stop() there is no owner and no call.
  const State& state = *static_cast<State*>(handle->data);
  if (state.owner != nullptr) state.reader->OnReadable();
}

void LoopWatch::Ref() {
  if (state_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&state_->handle));
}

void LoopWatch::Unref() {
  if (state_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&state_->handle));
}

}  // namespace node_kvm
