// Host memory that VMs use as guest memory (JavaScript's `Memory`), and the slots that use it.
#pragma once

#include <napi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "mapping.h"
#include "unique_fd.h"
#include "views.h"

namespace node_kvm {

// What is mapped: a file, and from which of its bytes on; or none, for anonymous memory.
struct MappedFile {
  UniqueFd fd;
  std::uint64_t offset = 0;
  bool pool = false;  // its pages are from the host's pool of huge pages
  bool copy = false;  // what is written to the memory is not in the file, whose descriptor is not kept
};

struct MemoryState {
  MemoryState(MappedFile backing_file, std::shared_ptr<Mapping> range)
      : file(std::move(backing_file)), mapping(std::move(range)) {}

  void EndUserfault() {
    if (const auto end = end_userfault) end();
  }

  MappedFile file;  // whose content this is; without a descriptor where no file has it
  std::shared_ptr<Mapping> mapping;
  std::function<void()> end_userfault;  // closes the userfaultfd over it; empty where there is none
  std::atomic<int> slots = 0;           // how many slots of live VMs use it; while there is one, close() is refused
  std::atomic<int> vhosts = 0;          // how often the kernel's own devices may reach it
};

// How many memories of this process have a userfaultfd: to look at each slot costs more than to look whether there is one.
inline std::atomic<int> open_userfaults = 0;

// One KVM memory slot. Until it lets go, its memory cannot be closed.
class MemorySlot {
 public:
  // `kept`: the memory stays somebody's when the VM has gone.
  MemorySlot(std::shared_ptr<MemoryState> memory, std::size_t size, bool kept)
      : memory_(std::move(memory)), size_(size), kept_(kept) {
    ++memory_->slots;
  }
  ~MemorySlot() { LetGo(); }
  MemorySlot(MemorySlot&& other) noexcept = default;
  MemorySlot(const MemorySlot&) = delete;
  MemorySlot& operator=(MemorySlot&&) = delete;
  MemorySlot& operator=(const MemorySlot&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] MemoryState& memory() const { return *memory_; }
  [[nodiscard]] bool kept() const { return kept_; }
  // From now on the memory can be closed. Its addresses stay taken as long as the slot is there.
  void LetGo() {
    if (memory_ && counted_) --memory_->slots;
    counted_ = false;
  }

 private:
  std::shared_ptr<MemoryState> memory_;
  std::size_t size_;
  bool kept_;
  bool counted_ = true;
};

class Memory : public Napi::ObjectWrap<Memory> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d01, 0x9d1f0c5a7b3e4621};
  static Napi::Function Define(Napi::Env env);
  explicit Memory(const Napi::CallbackInfo& info);

  // The state, or an empty pointer after close().
  [[nodiscard]] const std::shared_ptr<MemoryState>& state() const { return state_; }
  void DetachViews() { views_.DetachAll(); }

 private:
  [[nodiscard]] MemoryState& Require(Napi::Env env) const;
  [[nodiscard]] const MemoryState& RequireCopy(Napi::Env env, const char* call) const;
  Napi::Value Buffer(const Napi::CallbackInfo& info);
  Napi::Value Fd(const Napi::CallbackInfo& info);
  Napi::Value Freeze(const Napi::CallbackInfo& info);
  Napi::Value IsCopy(const Napi::CallbackInfo& info);
  Napi::Value Revert(const Napi::CallbackInfo& info);
  Napi::Value WrittenPages(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<MemoryState> state_;
  Views views_{Views::AtTheEnd::kGivePagesBack};
};

}  // namespace node_kvm
