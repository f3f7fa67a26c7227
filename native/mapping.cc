#include "mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>

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

// munmap() can fail where the range is part of a larger one and the process has too many: its addresses are lost then.
Mapping::~Mapping() { munmap(address_, size_); }

void Mapping::Release() {
  if (released_) return;
  released_ = mmap(address_, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                   0) != MAP_FAILED;
}

}  // namespace node_kvm
