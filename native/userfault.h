// A userfaultfd over one memory (JavaScript's `Userfault`): whoever touches a page that is missing, or protected against
// writing, waits until JavaScript has seen to it. Linux, Documentation/admin-guide/mm/userfaultfd.rst.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "loop_watch.h"
#include "memory.h"
#include "unique_fd.h"

namespace node_kvm {

class Userfault : public Napi::ObjectWrap<Userfault>, private LoopWatch::Reader {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Userfault(const Napi::CallbackInfo& info);
  ~Userfault() override { Unregister(); }

  // Ends it: whoever waits goes on, with zeros where nothing else is. Needs no JavaScript.
  void Unregister();
  // Tells JavaScript of the faults that there are. It does not wait for any.
  void Deliver();
  // Both for all of this environment, for those who would wait for a thread that waits for JavaScript.
  static void UnregisterAll(Napi::Env env);
  static void DeliverAll(Napi::Env env);

 private:
  Napi::Value Copy(const Napi::CallbackInfo& info);
  Napi::Value Zero(const Napi::CallbackInfo& info);
  Napi::Value Proceed(const Napi::CallbackInfo& info);
  Napi::Value Protect(const Napi::CallbackInfo& info);
  Napi::Value Resident(const Napi::CallbackInfo& info);
  Napi::Value Closed(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // Where that part of the memory is. Throws where it is none, and when this has been closed.
  [[nodiscard]] std::uint64_t AddressOf(Napi::Env env, std::uint64_t offset, std::uint64_t length) const;
  static void OnEnvironmentEnd(void* userfault) { static_cast<Userfault*>(userfault)->Unregister(); }
  void LetGo();
  void OnReadable() override { Deliver(); }

  UniqueFd fd_;
  Memory* memory_ = nullptr;  // which the reference below keeps
  Napi::ObjectReference memory_object_;
  std::shared_ptr<MemoryState> state_;
  Napi::FunctionReference callback_;
  std::unique_ptr<Napi::AsyncContext> context_;
  LoopWatch watch_;
};

}  // namespace node_kvm
