// A thread of the operating system that can be asked whether it has ended: std::thread can only be waited for.
#pragma once

#include <pthread.h>

#include <functional>

namespace node_kvm {

class OsThread {
 public:
  OsThread() = default;
  // Throws std::system_error. What `body` owns goes on the thread, at its end.
  explicit OsThread(std::function<void()> body);
  ~OsThread() { Join(); }
  OsThread(OsThread&& other) noexcept;
  OsThread(const OsThread&) = delete;
  OsThread& operator=(OsThread&& other) noexcept;
  OsThread& operator=(const OsThread&) = delete;

  // Waits for its end; when that has been seen, and for one that was never started, does nothing.
  void Join();
  // The same without waiting: false when it has not ended.
  bool TryJoin();

 private:
  pthread_t thread_{};
  bool joinable_ = false;
};

}  // namespace node_kvm
