#include "mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace node_kvm {

std::shared_ptr<Mapping> Mapping::Map(std::size_t size, int protection, int flags, int fd) {
  void* address = mmap(nullptr, size, protection, flags, fd, 0);
  if (address == MAP_FAILED) return nullptr;
  return std::make_shared<Mapping>(address, size);
}

std::shared_ptr<Mapping> Mapping::MapAligned(std::size_t size, std::size_t alignment, int protection, int flags,
                                             int fd) {
  // Addresses are taken first, more than are wanted, and the rest is given back.
  const std::size_t room = size + alignment;
  void* start = mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  auto whole = std::make_shared<Mapping>(start, room);
  std::size_t left = room;
  void* aligned = start;
  if (std::align(alignment, size, aligned, left) == nullptr ||
      mmap(aligned, size, protection, flags | MAP_FIXED, fd, 0) == MAP_FAILED) {
    return nullptr;
  }
  const std::size_t before = room - left;
  whole->address_ = aligned;
  whole->size_ = size;
  if (before != 0) munmap(start, before);
  if (left != size) munmap(whole->data() + size, left - size);
  return whole;
}

Mapping::~Mapping() { munmap(address_, size_); }

void Mapping::Release() {
  if (std::exchange(released_, true)) return;
  (void)mmap(address_, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

Napi::Value Views::Make(Napi::Env env, const std::shared_ptr<Mapping>& mapping, std::size_t offset,
                        std::size_t length) {
  std::erase_if(buffers_, [](auto& reference) { return reference.Value().IsEmpty(); });
  auto owner = std::make_unique<std::shared_ptr<Mapping>>(mapping);
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, mapping->data() + offset, length,
      // SAFETY: the finalizer takes back the one owner that is released to it below; Node runs it exactly once.
      [](Napi::BasicEnv, void*, std::shared_ptr<Mapping>* hint) {
        std::unique_ptr<std::shared_ptr<Mapping>> reclaimed(hint);
      },
      owner.get());
  static_cast<void>(owner.release());
  buffers_.push_back(Napi::Weak(buffer));
  return buffer;
}

void Views::DetachAll() {
  for (auto& reference : buffers_) {
    Napi::ArrayBuffer buffer = reference.Value();
    if (!buffer.IsEmpty() && !buffer.IsDetached()) buffer.Detach();
  }
  buffers_.clear();
}

}  // namespace node_kvm
