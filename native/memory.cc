#include "memory.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "arguments.h"
#include "system_error.h"

namespace node_kvm {
namespace {

// What JavaScript passes as the second argument of `new Memory(size, backing, hugePageShift, transparent)`.
enum class Backing : std::uint32_t { kMemfd = 0, kAnonymous = 1 };

// KVM maps a huge page into the guest only where the addresses of both sides allow it.
constexpr std::size_t kTransparentHugePage = std::size_t{1} << 21;

}  // namespace

Napi::Function Memory::Define(Napi::Env env) {
  return DefineClass(env, "Memory",
                     {InstanceMethod<&Memory::Buffer>("buffer"), InstanceMethod<&Memory::Close>("close")});
}

// new Memory(size, backing, hugePageShift, transparent): hugePageShift is log2 of the huge page size, 0 for ordinary
// pages, of which the kernel may make huge ones by itself if transparent.
Memory::Memory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Memory>(info) {
  const Napi::Env env = info.Env();
  const std::uint64_t size = ToUint64(info, 0);
  const auto backing = static_cast<Backing>(ToUint32(info, 1));
  const std::uint32_t huge_shift = ToUint32(info, 2);
  const bool transparent = info[3].ToBoolean();
  if (size == 0 || huge_shift > 34)
    throw Napi::RangeError::New(env, "memory needs a size and a huge page shift below 35");

  UniqueFd fd;
  int map_flags = MAP_NORESERVE;
  if (backing == Backing::kAnonymous) {
    map_flags |= MAP_PRIVATE | MAP_ANONYMOUS;
    if (huge_shift != 0) map_flags |= MAP_HUGETLB | static_cast<int>(huge_shift << MAP_HUGE_SHIFT);
  } else {
    map_flags |= MAP_SHARED;
    unsigned memfd_flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    if (huge_shift != 0) memfd_flags |= MFD_HUGETLB | (huge_shift << MFD_HUGE_SHIFT);
    fd = UniqueFd(memfd_create("guest-memory", memfd_flags));
    if (!fd.valid()) throw SystemError(env, "memfd_create", errno);
    if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) throw SystemError(env, "ftruncate", errno);
    // A file that shrank under a mapping would turn an access into SIGBUS.
    if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) throw SystemError(env, "fcntl", errno);
  }
  // Huge pages are reserved at once: a machine without them says so here, not by SIGBUS at the first access.
  if (huge_shift != 0) map_flags &= ~MAP_NORESERVE;
  auto mapping = transparent
                     ? Mapping::MapAligned(size, kTransparentHugePage, PROT_READ | PROT_WRITE, map_flags, fd.get())
                     : Mapping::Map(size, PROT_READ | PROT_WRITE, map_flags, fd.get());
  if (!mapping) throw SystemError(env, "mmap", errno);
  // A kernel that has none says EINVAL; then there are none.
  if (transparent) static_cast<void>(madvise(mapping->data(), size, MADV_HUGEPAGE));
  state_ = std::make_shared<MemoryState>(std::move(fd), std::move(mapping));
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

// buffer(offset, length): an ArrayBuffer over that part of the memory, detached by close().
Napi::Value Memory::Buffer(const Napi::CallbackInfo& info) {
  const std::uint64_t offset = ToUint64(info, 0);
  const std::uint64_t length = ToUint64(info, 1);
  if (!state_) throw Napi::Error::New(info.Env(), "memory is closed");
  const std::size_t size = state_->mapping->size();
  if (length == 0 || offset > size || length > size - offset) {
    throw Napi::RangeError::New(info.Env(), "buffer outside the memory");
  }
  return views_.Make(info.Env(), state_->mapping, offset, length);
}

// close(): true when closed (again), false while a VM uses the memory.
Napi::Value Memory::Close(const Napi::CallbackInfo& info) {
  if (state_) {
    if (state_->slots > 0) return Napi::Boolean::New(info.Env(), false);
    views_.DetachAll();
    state_->mapping->Release();
    state_.reset();
  }
  return Napi::Boolean::New(info.Env(), true);
}

}  // namespace node_kvm
