#include "mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <memory>

namespace node_kvm {

std::shared_ptr<Mapping> Mapping::Map(std::size_t size, int protection, int flags, int fd, std::uint64_t offset) {
  void* address = mmap(nullptr, size, protection, flags, fd, static_cast<off_t>(offset));
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
  // Where a part cannot be given back, all of it goes.
  const std::size_t before = room - left;
  auto* const end = static_cast<std::byte*>(aligned) + size;
  if ((left != size && munmap(end, left - size) != 0) || (before != 0 && munmap(start, before) != 0)) return nullptr;
  whole->address_ = aligned;
  whole->size_ = size;
  return whole;
}

// Where the range is part of a larger one and the process has too many, the kernel refuses: the addresses are lost then, and
// whoever destroys this could do nothing about it.
Mapping::~Mapping() { static_cast<void>(munmap(address_, size_)); }

bool Mapping::Replace(int flags, int fd, std::uint64_t offset) {
  return mmap(address_, size_, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, static_cast<off_t>(offset)) != MAP_FAILED;
}

void Mapping::Release() {
  if (!released_) released_ = Replace(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

}  // namespace node_kvm
