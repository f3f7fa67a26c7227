// A range of this process's address space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace node_kvm {

// An mmap'd range. Release() gives the pages (and the mapped file) back at once but keeps the addresses, filled with
// private zero pages, until the last owner goes: an ArrayBuffer that slipped away can then read nothing but zeros.
class Mapping {
 public:
  // Returns an empty pointer and leaves errno set when the kernel refuses.
  static std::shared_ptr<Mapping> Map(std::size_t size, int protection, int flags, int fd, std::uint64_t offset = 0);
  // The same at an address that is a multiple of this power of two, at least a page.
  static std::shared_ptr<Mapping> MapAligned(std::size_t size, std::size_t alignment, int protection, int flags,
                                             int fd);

  Mapping(void* address, std::size_t size) : address_(address), size_(size) {}
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // Puts something else behind the same addresses. False, with errno set, when the kernel refuses.
  bool Replace(int flags, int fd, std::uint64_t offset);

  // Where the kernel refuses that, the pages stay until the last owner goes.
  void Release();

  [[nodiscard]] std::byte* data() const { return static_cast<std::byte*>(address_); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void* address_;
  std::size_t size_;
  bool released_ = false;
};

}  // namespace node_kvm
