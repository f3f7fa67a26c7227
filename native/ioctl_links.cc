#include "ioctl_links.h"

#include <array>
#include <cstring>
#include <string>

#include "arguments.h"
#include "event_fd.h"
#include "memory.h"
#include "tap.h"

namespace node_kvm {
namespace {

// SAFETY: the kernel wants host addresses as numbers; what lies there outlives the call, during which no JavaScript runs.
std::uint64_t AddressOf(const void* data) { return reinterpret_cast<std::uintptr_t>(data); }

std::uint64_t AddressOfBuffer(const Napi::CallbackInfo& info, std::size_t index, const IoctlRow& row,
                              std::size_t bytes) {
  if (bytes == 0) return 0;
  const auto buffer = ToBytes(info, index);
  if (buffer.size() < bytes)
    throw Napi::RangeError::New(info.Env(), std::string(row.name) + ": a buffer that is too short");
  return AddressOf(buffer.data());
}

std::uint64_t AddressOfMemory(const Napi::CallbackInfo& info, std::size_t index, std::uint64_t offset,
                              std::uint64_t length) {
  const auto& memory = ToHandle<Memory>(info, index).state();
  if (!memory) throw Napi::Error::New(info.Env(), "memory is closed");
  const std::size_t size = memory->mapping->size();
  if (offset > size || length > size - offset) throw Napi::RangeError::New(info.Env(), "a range outside the memory");
  return AddressOf(memory->mapping->data() + offset);
}

constexpr int kNoFd = -1;

bool HoldsFd(const Link& link) { return link.kind != LinkKind::kBuffer && link.kind != LinkKind::kMemory; }

template <typename Handle>
int FdOfHandle(const Napi::CallbackInfo& info, std::size_t index) {
  const Handle& handle = ToHandle<Handle>(info, index);
  if (handle.closed()) throw Napi::Error::New(info.Env(), "the descriptor is closed");
  return handle.fd();
}

int FdOf(LinkKind kind, const Napi::CallbackInfo& info, std::size_t index) {
  if (info[index].IsUndefined()) return kNoFd;
  if (kind == LinkKind::kEventFd) return FdOfHandle<EventFd>(info, index);
  if (kind == LinkKind::kTap) return FdOfHandle<Tap>(info, index);
  return static_cast<int>(ToUint32(info, index));
}

}  // namespace

void IoctlLinks::PutIn(const Napi::CallbackInfo& info, std::size_t first, const Descriptor& descriptor) {
  if (row_.names_host != nullptr && row_.names_host(argument_.data())) {
    throw Napi::TypeError::New(info.Env(), std::string(row_.name) + ": an address or a descriptor of the host");
  }
  std::size_t index = first;
  for (const Link& link : row_.links) {
    std::uint8_t* const member = argument_.data() + link.offset;
    if (HoldsFd(link)) {
      const int fd = FdOf(link.kind, info, index);
      std::memcpy(member, &fd, sizeof fd);
    } else {
      std::uint64_t address = 0;
      if (link.kind == LinkKind::kMemory) {
        std::array<std::uint64_t, 2> range{};
        std::memcpy(range.data(), member, sizeof range);
        address = AddressOfMemory(info, index, range[0], range[1]);
      } else {
        const std::size_t bytes = link.bytes(descriptor, argument_.data());
        if (bytes == kNoAddress) continue;
        address = AddressOfBuffer(info, index, row_, bytes);
      }
      std::memcpy(member, &address, sizeof address);
    }
    index++;
  }
}

IoctlLinks::~IoctlLinks() {
  for (const Link& link : row_.links) {
    std::memset(argument_.data() + link.offset, 0, HoldsFd(link) ? sizeof(int) : sizeof(std::uint64_t));
  }
}

}  // namespace node_kvm
