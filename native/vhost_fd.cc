#include "vhost_fd.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "arguments.h"
#include "kernel_call.h"
#include "memory.h"
#include "system_error.h"
#include "uapi/vhost.h"

namespace node_kvm {
namespace {

// A stretch of guest memory that the kernel may reach. While there is one, the memory's addresses stay taken, and nobody can make
// the kernel wait for this thread there.
class Reach {
 public:
  Reach(std::shared_ptr<MemoryState> memory, std::uint64_t start, std::uint64_t size, std::uint64_t offset)
      : memory_(std::move(memory)), start_(start), size_(size), offset_(offset) {
    ++memory_->vhosts;
  }
  ~Reach() {
    if (memory_) --memory_->vhosts;
  }
  Reach(Reach&&) noexcept = default;
  Reach(const Reach&) = delete;
  Reach& operator=(Reach&&) = delete;
  Reach& operator=(const Reach&) = delete;

  [[nodiscard]] vhost_memory_region row() const {
    return {.guest_phys_addr = start_, .memory_size = size_, .userspace_addr = HostAddress(start_), .flags_padding = 0};
  }
  [[nodiscard]] bool Has(std::uint64_t at, std::uint64_t length) const {
    return at >= start_ && length <= size_ && at - start_ <= size_ - length;
  }
  // SAFETY: the kernel wants host addresses as numbers; the mapping is there as long as this is.
  [[nodiscard]] std::uint64_t HostAddress(std::uint64_t at) const {
    return reinterpret_cast<std::uintptr_t>(memory_->mapping->data() + offset_ + (at - start_));
  }

 private:
  std::shared_ptr<MemoryState> memory_;
  std::uint64_t start_;
  std::uint64_t size_;
  std::uint64_t offset_;
};

}  // namespace

struct Vhost : Descriptor {
  explicit Vhost(UniqueFd descriptor) : Descriptor(std::move(descriptor), kVhostFd, nullptr) {}
  ~Vhost() { fd = UniqueFd(); }  // it is closed before its memory is let go
  Vhost(const Vhost&) = delete;
  Vhost& operator=(const Vhost&) = delete;

  // A part of a queue, which is in one piece of memory: the kernel takes it for one piece of this process's.
  [[nodiscard]] std::optional<std::uint64_t> HostAddress(std::uint64_t at, std::uint64_t length) const {
    const auto found = std::ranges::find_if(reaches, [&](const Reach& reach) { return reach.Has(at, length); });
    if (found == reaches.end()) return std::nullopt;
    return found->HostAddress(at);
  }

  std::vector<Reach> reaches;
};

namespace {

constexpr std::size_t kArgumentsPerReach = 4;

// The parts of a split queue with event indices (virtio 1.2, 2.7).
constexpr std::uint64_t kDescriptor = 16;
constexpr std::uint64_t kAvailableEntry = 2;
constexpr std::uint64_t kUsedEntry = 8;
constexpr std::uint64_t kFlagsIndexEvent = 6;

}  // namespace

Napi::Function VhostFd::Define(Napi::Env env) {
  return DefineFd(
      env, "VhostFd",
      {InstanceMethod<&VhostFd::SetMemory>("setMemory"), InstanceMethod<&VhostFd::SetAddresses>("setAddresses")});
}

// openVhostNet(): one that belongs to this process.
Napi::Value VhostFd::Open(const Napi::CallbackInfo& info) {
  UniqueFd fd(open("/dev/vhost-net", O_RDWR | O_CLOEXEC));
  if (!fd.valid()) throw SystemError(info.Env(), "open", errno);
  if (CallKernel(fd.get(), VHOST_SET_OWNER, 0) != 0) throw SystemError(info.Env(), "VHOST_SET_OWNER", errno);
  return Wrap(info.Env(), std::make_shared<Vhost>(std::move(fd)));
}

Vhost& VhostFd::RequireVhost(Napi::Env env) const {
  // SAFETY: the descriptors of this class are those that Open() made.
  return static_cast<Vhost&>(Require(env));
}

// setMemory(...[start, size, memory, offset]): VHOST_SET_MEM_TABLE. This and no more the kernel reaches from now on, at these guest
// addresses. No queue is to run meanwhile: one that is where there is no memory any more would go on there.
Napi::Value VhostFd::SetMemory(const Napi::CallbackInfo& info) {
  Vhost& vhost = RequireVhost(info.Env());
  std::vector<Reach> reaches;
  for (std::size_t at = 0; at < info.Length(); at += kArgumentsPerReach) {
    const std::uint64_t start = ToUint64(info, at);
    const std::uint64_t size = ToUint64(info, at + 1);
    const auto& memory = ToHandle<Memory>(info, at + 2).state();
    const std::uint64_t offset = ToUint64(info, at + 3);
    if (!memory) throw Napi::Error::New(info.Env(), "memory is closed");
    const std::size_t available = memory->mapping->size();
    if (offset > available || size > available - offset) {
      throw Napi::RangeError::New(info.Env(), "a range outside the memory");
    }
    // The kernel would wait for this thread, and this thread for the kernel when it stops a queue.
    if (memory->end_userfault) return Napi::Number::New(info.Env(), -EDEADLK);
    reaches.emplace_back(memory, start, size, offset);
  }
  std::vector<std::byte> table(sizeof(vhost_memory) + reaches.size() * sizeof(vhost_memory_region));
  const vhost_memory head{.nregions = static_cast<__u32>(reaches.size()), .padding = 0};
  std::memcpy(table.data(), &head, sizeof head);
  std::byte* next = table.data() + sizeof head;
  for (const Reach& reach : reaches) {
    const vhost_memory_region row = reach.row();
    std::memcpy(next, &row, sizeof row);
    next += sizeof row;
  }
  const int result = CallKernel(vhost.fd.get(), VHOST_SET_MEM_TABLE, table.data());
  if (result == 0) vhost.reaches.swap(reaches);
  return Result(info.Env(), result);
}

// setAddresses(queue, size, descriptors, available, used): VHOST_SET_VRING_ADDR, of guest addresses. The kernel believes the host's
// addresses; that they are the guest's memory is found out here.
Napi::Value VhostFd::SetAddresses(const Napi::CallbackInfo& info) {
  const Vhost& vhost = RequireVhost(info.Env());
  const std::uint64_t size = ToUint32(info, 1);
  const auto descriptors = vhost.HostAddress(ToUint64(info, 2), kDescriptor * size);
  const auto available = vhost.HostAddress(ToUint64(info, 3), kFlagsIndexEvent + kAvailableEntry * size);
  const auto used = vhost.HostAddress(ToUint64(info, 4), kFlagsIndexEvent + kUsedEntry * size);
  if (!descriptors || !available || !used) return Napi::Number::New(info.Env(), -EFAULT);
  vhost_vring_addr addresses{};
  addresses.index = ToUint32(info, 0);
  addresses.desc_user_addr = *descriptors;
  addresses.avail_user_addr = *available;
  addresses.used_user_addr = *used;
  return Result(info.Env(), CallKernel(vhost.fd.get(), VHOST_SET_VRING_ADDR, &addresses));
}

}  // namespace node_kvm
