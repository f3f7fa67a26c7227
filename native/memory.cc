#include "memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "arguments.h"
#include "system_error.h"

namespace node_kvm {
namespace {

// What JavaScript passes as the second argument of `new Memory(…)`. A copy of a file shows it and keeps its own writes for
// itself; an image is one that remembers its file, so that copies can be made of it.
enum class Backing : std::uint32_t { kMemfd = 0, kAnonymous = 1, kFile = 2, kCopyOfFile = 3, kImage = 4 };

// KVM maps a huge page into the guest only where the addresses of both sides allow it.
constexpr std::size_t kTransparentHugePage = std::size_t{1} << 21;

MappedFile CreateMemfd(Napi::Env env, std::uint64_t size, std::uint32_t huge_shift) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_shift != 0) flags |= MFD_HUGETLB | (huge_shift << MFD_HUGE_SHIFT);
  UniqueFd fd(memfd_create("guest-memory", flags));
  if (!fd.valid()) throw SystemError(env, "memfd_create", errno);
  if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) throw SystemError(env, "ftruncate", errno);
  // A file that shrank under a mapping would turn an access into SIGBUS.
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) throw SystemError(env, "fcntl", errno);
  return {.fd = std::move(fd), .pool = huge_shift != 0};
}

// Somebody's file. The descriptor stays theirs: this is another one.
MappedFile AdoptFile(Napi::Env env, int theirs, std::uint64_t offset, std::uint64_t size, bool unsealed) {
  UniqueFd fd(fcntl(theirs, F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) throw SystemError(env, "fcntl", errno);
  // Before its length is looked at. A file that knows no seals has none.
  const int seals = fcntl(fd.get(), F_GET_SEALS);
  if (!unsealed && (seals < 0 || (seals & F_SEAL_SHRINK) == 0)) throw SystemError(env, "F_GET_SEALS", EINVAL);
  struct stat facts {};
  struct statfs system {};
  if (fstat(fd.get(), &facts) != 0 || fstatfs(fd.get(), &system) != 0) throw SystemError(env, "fstat", errno);
  const auto length = static_cast<std::uint64_t>(facts.st_size);
  if (!S_ISREG(facts.st_mode) || offset > length || size > length - offset) {
    throw Napi::RangeError::New(env, "not a file that has that part");
  }
  return {.fd = std::move(fd), .offset = offset, .pool = system.f_type == HUGETLBFS_MAGIC};
}

// Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 in swap, 61 a page of a file or of shared memory.
bool IsOwnPage(std::uint64_t entry) {
  constexpr std::uint64_t kThere = std::uint64_t{3} << 62;
  constexpr std::uint64_t kOfFile = std::uint64_t{1} << 61;
  return (entry & kThere) != 0 && (entry & kOfFile) == 0;
}

}  // namespace

Napi::Function Memory::Define(Napi::Env env) {
  return DefineClass(env, "Memory",
                     {InstanceMethod<&Memory::Buffer>("buffer"), InstanceMethod<&Memory::Fd>("fd"),
                      InstanceMethod<&Memory::Freeze>("freeze"), InstanceMethod<&Memory::IsCopy>("isCopy"),
                      InstanceMethod<&Memory::Revert>("revert"), InstanceMethod<&Memory::WrittenPages>("writtenPages"),
                      InstanceMethod<&Memory::Close>("close")});
}

// new Memory(size, backing, hugePageShift, transparent, fd?, offset?, unsealed?): hugePageShift is log2 of the huge page size, 0 for
// ordinary pages, of which the kernel may make huge ones by itself if transparent. With a file, its pages are as they are.
Memory::Memory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Memory>(info) {
  const Napi::Env env = info.Env();
  const std::uint64_t size = ToUint64(info, 0);
  const auto backing = static_cast<Backing>(ToUint32(info, 1));
  const std::uint32_t huge_shift = ToUint32(info, 2);
  const bool transparent = info[3].ToBoolean();
  if (size == 0 || huge_shift > 34)
    throw Napi::RangeError::New(env, "memory needs a size and a huge page shift below 35");

  MappedFile file;
  int map_flags = MAP_NORESERVE;
  if (backing == Backing::kAnonymous) {
    map_flags |= MAP_PRIVATE | MAP_ANONYMOUS;
    if (huge_shift != 0) map_flags |= MAP_HUGETLB | static_cast<int>(huge_shift << MAP_HUGE_SHIFT);
    file.pool = huge_shift != 0;
  } else if (backing == Backing::kMemfd) {
    map_flags |= MAP_SHARED;
    file = CreateMemfd(env, size, huge_shift);
  } else {
    map_flags |= backing == Backing::kFile ? MAP_SHARED : MAP_PRIVATE;
    file = AdoptFile(env, static_cast<int>(ToUint32(info, 4)), ToUint64(info, 5), size, info[6].ToBoolean());
  }
  // Huge pages are reserved at once: a machine without them says so here, not by SIGBUS at the first access.
  if (file.pool) map_flags &= ~MAP_NORESERVE;
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  auto mapping = transparent ? Mapping::MapAligned(size, kTransparentHugePage, kProtection, map_flags, file.fd.get())
                             : Mapping::Map(size, kProtection, map_flags, file.fd.get(), file.offset);
  if (!mapping) throw SystemError(env, "mmap", errno);
  // A kernel that has none says EINVAL; then there are none.
  if (transparent && madvise(mapping->data(), size, MADV_HUGEPAGE) != 0 && errno != EINVAL) {
    throw SystemError(env, "madvise", errno);
  }
  if (backing == Backing::kCopyOfFile) {
    file.fd = UniqueFd();  // which has not what this memory has
    file.copy = true;
  }
  state_ = std::make_shared<MemoryState>(std::move(file), std::move(mapping));
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

MemoryState& Memory::Require(Napi::Env env) const {
  if (!state_) throw Napi::Error::New(env, "memory is closed");
  return *state_;
}

// buffer(offset, length, lasting?): an ArrayBuffer over that part of the memory, detached by close(). One that lasts shows zeros then.
Napi::Value Memory::Buffer(const Napi::CallbackInfo& info) {
  const std::uint64_t offset = ToUint64(info, 0);
  const std::uint64_t length = ToUint64(info, 1);
  const auto& mapping = Require(info.Env()).mapping;
  const std::size_t size = mapping->size();
  if (length == 0 || offset > size || length > size - offset) {
    throw Napi::RangeError::New(info.Env(), "buffer outside the memory");
  }
  const auto until = info[2].ToBoolean() ? Views::Until::kCollected : Views::Until::kDetached;
  return views_.Make(info.Env(), mapping, offset, length, until);
}

// fd(): the descriptor of the file that has this content, or -1.
Napi::Value Memory::Fd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Require(info.Env()).file.fd.get());
}

// freeze(): nobody can write to the file any more, and this memory becomes a copy of it, in its place: views and VMs stay.
Napi::Value Memory::Freeze(const Napi::CallbackInfo& info) {
  MemoryState& state = Require(info.Env());
  MappedFile& file = state.file;
  if (state.end_userfault) throw SystemError(info.Env(), "freeze", EBUSY);
  // To copy the pages of the pool takes more of them, which may not be there when they are needed.
  if (file.pool) throw SystemError(info.Env(), "freeze", EOPNOTSUPP);
  // The kernel takes the seal only when no mapping can write to the file.
  int error = 0;
  const char* syscall = "mmap";
  if (!state.mapping->Replace(MAP_PRIVATE | MAP_NORESERVE, file.fd.get(), file.offset)) {
    error = errno;
  } else if (fcntl(file.fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) != 0) {
    error = errno;
    syscall = "fcntl";
  }
  if (error == 0) {
    file.fd = UniqueFd();
    file.copy = true;
    return info.Env().Undefined();
  }
  // As it was. A kernel that refuses this has left nothing behind the addresses: there is no way to go on.
  if (!state.mapping->Replace(MAP_SHARED | MAP_NORESERVE, file.fd.get(), file.offset)) {
    Napi::Error::Fatal("Memory::Freeze", "the kernel does not give guest memory back its addresses");
  }
  throw SystemError(info.Env(), syscall, error);
}

// isCopy(): whether what is written to it is not in a file that it began as.
Napi::Value Memory::IsCopy(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), Require(info.Env()).file.copy);
}

// revert(): a copy is again what its file has, in its place.
Napi::Value Memory::Revert(const Napi::CallbackInfo& info) {
  const MemoryState& state = RequireCopy(info.Env(), "revert");
  // The kernel drops the pages that are the copy's own, and shows those of the file (madvise(2), MADV_DONTNEED).
  if (madvise(state.mapping->data(), state.mapping->size(), MADV_DONTNEED) != 0) {
    throw SystemError(info.Env(), "madvise", errno);
  }
  return info.Env().Undefined();
}

// writtenPages(): a bit for each page of a copy, set where the page is the copy's own.
Napi::Value Memory::WrittenPages(const Napi::CallbackInfo& info) {
  const MemoryState& state = RequireCopy(info.Env(), "writtenPages");
  const UniqueFd pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap.valid()) throw SystemError(info.Env(), "open", errno);
  const auto page_size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t pages = state.mapping->size() / page_size;
  // SAFETY: an address is a number here, by which the kernel orders the file.
  const std::size_t first = reinterpret_cast<std::uintptr_t>(state.mapping->data()) / page_size;
  auto bits = Napi::Uint8Array::New(info.Env(), (pages + 7) / 8);
  std::array<std::uint64_t, 4096> entries{};
  for (std::size_t done = 0; done < pages;) {
    const std::size_t wanted = std::min(pages - done, entries.size());
    const auto place = static_cast<off_t>((first + done) * sizeof(std::uint64_t));
    const ssize_t got = pread(pagemap.get(), entries.data(), wanted * sizeof(std::uint64_t), place);
    if (got < 0) throw SystemError(info.Env(), "pread", errno);
    const std::size_t read = static_cast<std::size_t>(got) / sizeof(std::uint64_t);
    if (read == 0) throw SystemError(info.Env(), "pread", EIO);
    for (std::size_t index = 0; index < read; ++index) {
      if (!IsOwnPage(entries[index])) continue;
      const std::size_t page = done + index;
      bits[page / 8] = static_cast<std::uint8_t>(bits[page / 8] | (1U << (page % 8)));
    }
    done += read;
  }
  return bits;
}

// A copy that nobody else's handler brings pages into.
const MemoryState& Memory::RequireCopy(Napi::Env env, const char* call) const {
  const MemoryState& state = Require(env);
  if (!state.file.copy) throw SystemError(env, call, EINVAL);
  if (state.end_userfault) throw SystemError(env, call, EBUSY);
  return state;
}

// close(): true when closed (again), false while a VM uses the memory.
Napi::Value Memory::Close(const Napi::CallbackInfo& info) {
  if (state_) {
    if (state_->slots > 0) return Napi::Boolean::New(info.Env(), false);
    state_->EndUserfault();
    views_.DetachAll();
    state_->mapping->Release();
    state_.reset();
  }
  return Napi::Boolean::New(info.Env(), true);
}

}  // namespace node_kvm
