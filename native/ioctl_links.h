// What JavaScript passes beside an ioctl's struct, put into the struct for the time of the call: addresses and descriptors.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>

#include "ioctl_table.h"

namespace node_kvm {

class IoctlLinks {
 public:
  IoctlLinks(const IoctlRow& row, std::span<std::uint8_t> argument) : row_(row), argument_(argument) {}
  // JavaScript never sees an address: those that were put in are taken out.
  ~IoctlLinks();
  IoctlLinks(const IoctlLinks&) = delete;
  IoctlLinks& operator=(const IoctlLinks&) = delete;

  // Puts in what the arguments from `first` on are. Throws when a buffer is too short, or a handle another one.
  void PutIn(const Napi::CallbackInfo& info, std::size_t first, const Descriptor& descriptor);

 private:
  const IoctlRow& row_;
  std::span<std::uint8_t> argument_;
};

}  // namespace node_kvm
