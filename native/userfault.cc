#include "userfault.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "addon_data.h"
#include "arguments.h"
#include "system_error.h"
#include "uapi/userfaultfd.h"

namespace node_kvm {
namespace {

std::uint64_t PageSize() {
  static const auto size = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return size;
}

// One that also sees what KVM touches: with UFFD_USER_MODE_ONLY, which everybody may have, it would not. By the call, for
// which a right is needed, or by the device, for which a file's permissions are. -1 with errno set where neither is given.
int OpenUserfaultfd() {
  const auto fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (fd >= 0 || errno != EPERM) return fd;
  const UniqueFd device(open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
  if (device.valid()) return ioctl(device.get(), USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
  errno = EPERM;
  return -1;
}

// Which must come first. Pages that do not exist yet can be protected, too, where the kernel knows how (Linux 6.4).
int Greet(int fd) {
  for (const std::uint64_t features : {std::uint64_t{UFFD_FEATURE_WP_UNPOPULATED}, std::uint64_t{0}}) {
    uffdio_api api{};
    api.api = UFFD_API;
    api.features = features;
    if (ioctl(fd, UFFDIO_API, &api) == 0) return 0;
  }
  return errno;
}

// Again where the address space was changing at that moment.
template <typename Request>
int Ask(int fd, unsigned long number, Request& request) {
  for (;;) {
    if (ioctl(fd, number, &request) == 0) return 0;
    if (errno != EAGAIN && errno != EINTR) return errno;
  }
}

// Whoever is there has come after somebody else had seen to the page.
void WakeUp(int fd, std::uint64_t address, std::uint64_t length) {
  uffdio_range range{.start = address, .len = length};
  static_cast<void>(Ask(fd, UFFDIO_WAKE, range));  // it fails only for a range that is not registered
}

// Fills page by page with `fill(address)`, an errno, and leaves those that are there. Returns how many it has filled, or -errno.
template <typename Fill>
std::int64_t FillMissing(int fd, std::uint64_t address, std::uint64_t length, const Fill& fill) {
  std::int64_t filled = 0;
  for (std::uint64_t done = 0; done < length; done += PageSize()) {
    const int error = fill(address + done, done);
    if (error == EEXIST) {
      WakeUp(fd, address + done, PageSize());
    } else if (error != 0) {
      return -error;
    } else {
      ++filled;
    }
  }
  return filled;
}

Napi::Value Number(Napi::Env env, std::int64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

}  // namespace

Napi::Function Userfault::Define(Napi::Env env) {
  return DefineClass(env, "Userfault",
                     {InstanceMethod<&Userfault::Copy>("copy"), InstanceMethod<&Userfault::Zero>("zero"),
                      InstanceMethod<&Userfault::Proceed>("proceed"), InstanceMethod<&Userfault::Protect>("protect"),
                      InstanceMethod<&Userfault::Resident>("resident"), InstanceMethod<&Userfault::Closed>("closed"),
                      InstanceMethod<&Userfault::Close>("close")});
}

// new Userfault(memory, mode, callback): `mode` are the bits of UFFDIO_REGISTER; the callback gets the offset of a page and the
// flags of the fault, UFFD_PAGEFAULT_FLAG_*. The memory's views are taken away: this thread would wait for itself there.
Userfault::Userfault(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Userfault>(info) {
  const Napi::Env env = info.Env();
  memory_ = &ToHandle<Memory>(info, 0);
  state_ = memory_->state();
  if (!state_ || state_->end_userfault) throw Napi::Error::New(env, "memory is closed, or has a userfaultfd already");
  // The kernel's own devices would wait there, and this thread for them.
  if (state_->vhosts > 0) throw SystemError(env, "UFFDIO_REGISTER", EBUSY);
  // There a page is a huge one, for all that could be asked here.
  if (state_->file.pool) throw SystemError(env, "UFFDIO_REGISTER", EOPNOTSUPP);
  UniqueFd fd(OpenUserfaultfd());
  if (!fd.valid()) throw SystemError(env, "userfaultfd", errno);
  if (const int error = Greet(fd.get()); error != 0) throw SystemError(env, "UFFDIO_API", error);
  uffdio_register request{};
  request.range = {.start = AddressOf(env, 0, state_->mapping->size()), .len = state_->mapping->size()};
  request.mode = ToUint32(info, 1);
  callback_ = Napi::Persistent(info[2].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "node-kvm.Userfault");
  memory_object_ = Napi::Persistent(info[0].As<Napi::Object>());
  AddonData& data = AddonData::Of(env);
  data.userfaults.reserve(data.userfaults.size() + 1);
  watch_.Start(env, fd.get(), *this);
  watch_.Unref();  // the vCPUs that may fault keep the loop alive
  if (napi_add_env_cleanup_hook(env, OnEnvironmentEnd, this) != napi_ok) throw Napi::Error::New(env);
  data.userfaults.push_back(this);
  fd_ = std::move(fd);
  state_->end_userfault = [this] { LetGo(); };
  ++open_userfaults;
  memory_->DetachViews();
  if (const int error = Ask(fd_.get(), UFFDIO_REGISTER, request); error != 0) {
    Unregister();
    throw SystemError(env, "UFFDIO_REGISTER", error);
  }
}

void Userfault::Unregister() {
  watch_.Stop();
  if (!fd_.valid()) return;
  // By name, since a process that is being started may still have the descriptor. The kernel refuses nothing of that.
  uffdio_range range{};
  // SAFETY: the kernel wants the address as a number.
  range.start = reinterpret_cast<std::uintptr_t>(state_->mapping->data());
  range.len = state_->mapping->size();
  static_cast<void>(Ask(fd_.get(), UFFDIO_UNREGISTER, range));
  fd_ = UniqueFd();
  napi_remove_env_cleanup_hook(Env(), OnEnvironmentEnd, this);
  std::erase(AddonData::Of(Env()).userfaults, this);
  --open_userfaults;
  state_->end_userfault = nullptr;
  state_.reset();
}

void Userfault::LetGo() {
  if (!fd_.valid()) return;
  Unregister();
  memory_->DetachViews();
  memory_object_.Reset();
  callback_.Reset();  // it may refer to this one, which nobody could collect then
}

void Userfault::UnregisterAll(Napi::Env env) {
  while (!AddonData::Of(env).userfaults.empty()) AddonData::Of(env).userfaults.back()->Unregister();
}

void Userfault::DeliverAll(Napi::Env env) {
  // A handler may close any of them.
  const std::vector<Userfault*> all = AddonData::Of(env).userfaults;
  for (Userfault* one : all) {
    if (std::ranges::find(AddonData::Of(env).userfaults, one) != AddonData::Of(env).userfaults.end()) one->Deliver();
  }
}

void Userfault::Deliver() {
  const Napi::Env env = Env();
  // One by one: what JavaScript does about one can be what the next one waits for.
  for (uffd_msg message{}; fd_.valid() && read(fd_.get(), &message, sizeof message) == sizeof message;) {
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    const Napi::HandleScope scope(env);
    // SAFETY: the kernel names addresses of the one range that is registered.
    const std::uint64_t offset =
        message.arg.pagefault.address - reinterpret_cast<std::uintptr_t>(state_->mapping->data());
    try {
      callback_.MakeCallback(env.Global(),
                             {Number(env, static_cast<std::int64_t>(offset / PageSize() * PageSize())),
                              Number(env, static_cast<std::int64_t>(message.arg.pagefault.flags))},
                             *context_);
    } catch (const Napi::Error& error) {
      // What a callback throws is an uncaught exception, as in any event of Node.
      napi_fatal_exception(env, error.Value());
    }
  }
}

std::uint64_t Userfault::AddressOf(Napi::Env env, std::uint64_t offset, std::uint64_t length) const {
  const std::size_t size = state_ ? state_->mapping->size() : 0;
  if (length == 0 || offset > size || length > size - offset || offset % PageSize() != 0 || length % PageSize() != 0) {
    throw Napi::RangeError::New(env, "not whole pages of an open userfaultfd");
  }
  // SAFETY: the kernel wants addresses as numbers; this one lies within the mapping.
  return reinterpret_cast<std::uintptr_t>(state_->mapping->data()) + offset;
}

// copy(offset, bytes, protected): fills missing pages. The number of pages that were, or -errno.
Napi::Value Userfault::Copy(const Napi::CallbackInfo& info) {
  const auto bytes = ToBytes(info, 1);
  const std::uint64_t address = AddressOf(info.Env(), ToUint64(info, 0), bytes.size());
  const std::uint64_t mode = info[2].ToBoolean() ? UFFDIO_COPY_MODE_WP : 0;
  return Number(info.Env(), FillMissing(fd_.get(), address, bytes.size(), [&](std::uint64_t to, std::uint64_t done) {
                  uffdio_copy request{};
                  request.dst = to;
                  request.src = reinterpret_cast<std::uintptr_t>(bytes.data() + done);
                  request.len = PageSize();
                  request.mode = mode;
                  return Ask(fd_.get(), UFFDIO_COPY, request);
                }));
}

// zero(offset, length): the same with zeros.
Napi::Value Userfault::Zero(const Napi::CallbackInfo& info) {
  const std::uint64_t length = ToUint64(info, 1);
  const std::uint64_t address = AddressOf(info.Env(), ToUint64(info, 0), length);
  return Number(info.Env(), FillMissing(fd_.get(), address, length, [&](std::uint64_t to, std::uint64_t) {
                  uffdio_zeropage request{};
                  request.range = {.start = to, .len = PageSize()};
                  return Ask(fd_.get(), UFFDIO_ZEROPAGE, request);
                }));
}

// proceed(offset, length): the same with what the file of the memory has there.
Napi::Value Userfault::Proceed(const Napi::CallbackInfo& info) {
  const std::uint64_t length = ToUint64(info, 1);
  const std::uint64_t address = AddressOf(info.Env(), ToUint64(info, 0), length);
  return Number(info.Env(), FillMissing(fd_.get(), address, length, [&](std::uint64_t to, std::uint64_t) {
                  uffdio_continue request{};
                  request.range = {.start = to, .len = PageSize()};
                  return Ask(fd_.get(), UFFDIO_CONTINUE, request);
                }));
}

// protect(offset, length, on): against writing, or no longer. 0, or -errno.
Napi::Value Userfault::Protect(const Napi::CallbackInfo& info) {
  const std::uint64_t length = ToUint64(info, 1);
  uffdio_writeprotect request{};
  request.range = {.start = AddressOf(info.Env(), ToUint64(info, 0), length), .len = length};
  const bool on = info[2].ToBoolean();
  if (on) request.mode = UFFDIO_WRITEPROTECT_MODE_WP;
  const int error = Ask(fd_.get(), UFFDIO_WRITEPROTECT, request);
  if (on && error == 0) memory_->DetachViews();
  return Number(info.Env(), -error);
}

// resident(offset): whether this thread can read that page without a fault.
Napi::Value Userfault::Resident(const Napi::CallbackInfo& info) {
  const std::uint64_t offset = ToUint64(info, 0);
  static_cast<void>(AddressOf(info.Env(), offset, PageSize()));
  unsigned char there = 0;
  if (mincore(state_->mapping->data() + offset, PageSize(), &there) != 0)
    throw SystemError(info.Env(), "mincore", errno);
  return Napi::Boolean::New(info.Env(), (there & 1) != 0);
}

Napi::Value Userfault::Closed(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), !fd_.valid()); }

Napi::Value Userfault::Close(const Napi::CallbackInfo& info) {
  LetGo();
  return info.Env().Undefined();
}

}  // namespace node_kvm
