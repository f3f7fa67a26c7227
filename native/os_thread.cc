#include "os_thread.h"

#include <memory>
#include <system_error>
#include <utility>

namespace node_kvm {
namespace {

void* RunBody(void* argument) {
  // SAFETY: the constructor released it to this thread.
  const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

OsThread::OsThread(std::function<void()> body) {
  auto owned = std::make_unique<std::function<void()>>(std::move(body));
  const int error = pthread_create(&thread_, nullptr, RunBody, owned.get());
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_create");
  static_cast<void>(owned.release());
  joinable_ = true;
}

OsThread::OsThread(OsThread&& other) noexcept
    : thread_(other.thread_), joinable_(std::exchange(other.joinable_, false)) {}

OsThread& OsThread::operator=(OsThread&& other) noexcept {
  Join();
  thread_ = other.thread_;
  joinable_ = std::exchange(other.joinable_, false);
  return *this;
}

void OsThread::Join() {
  if (joinable_) pthread_join(thread_, nullptr);  // fails only when it is called wrongly
  joinable_ = false;
}

bool OsThread::TryJoin() {
  if (joinable_ && pthread_tryjoin_np(thread_, nullptr) == 0) joinable_ = false;
  return !joinable_;
}

}  // namespace node_kvm
