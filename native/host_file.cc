#include "host_file.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "arguments.h"
#include "system_error.h"
#include "unique_fd.h"

namespace node_kvm {
namespace {

// Above it the kernel refuses.
constexpr std::size_t kMostPieces = 1024;

struct Room {
  int mode;
  off_t offset;
  off_t length;
};

class Allocation : public Napi::AsyncWorker {
 public:
  Allocation(Napi::Env env, UniqueFd fd, Room room)
      : Napi::AsyncWorker(env, "node-kvm.AllocateFile"),
        done_(Napi::Promise::Deferred::New(env)),
        fd_(std::move(fd)),
        room_(room) {}

  [[nodiscard]] Napi::Promise promise() const { return done_.Promise(); }

 protected:
  void Execute() override {
    do {
      error_ = fallocate(fd_.get(), room_.mode, room_.offset, room_.length) == 0 ? 0 : errno;
    } while (error_ == EINTR);
  }

  void OnOK() override { done_.Resolve(Napi::Number::New(Env(), -error_)); }

 private:
  Napi::Promise::Deferred done_;
  UniqueFd fd_;  // this one stays open until it is done
  Room room_;
  int error_ = 0;
};

}  // namespace

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  struct flock lock {};
  lock.l_type = F_UNLCK;
  if (!info[1].IsUndefined()) lock.l_type = info[1].ToBoolean() ? F_WRLCK : F_RDLCK;
  lock.l_whence = SEEK_SET;
  const auto fd = static_cast<int>(ToUint32(info, 0));
  return Napi::Number::New(info.Env(), fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno);
}

Napi::Value AllocateFile(const Napi::CallbackInfo& info) {
  UniqueFd fd(fcntl(static_cast<int>(ToUint32(info, 0)), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) throw SystemError(info.Env(), "fcntl", errno);
  const Room room{.mode = static_cast<int>(ToUint32(info, 1)),
                  .offset = static_cast<off_t>(ToUint64(info, 2)),
                  .length = static_cast<off_t>(ToUint64(info, 3))};
  auto allocation = std::make_unique<Allocation>(info.Env(), std::move(fd), room);
  Napi::Promise promise = allocation->promise();
  allocation->Queue();
  // SAFETY: it deletes itself when it is done.
  static_cast<void>(allocation.release());
  return promise;
}

Napi::Value ReadCached(const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(ToUint32(info, 0));
  const auto offset = static_cast<off_t>(ToUint64(info, 1));
  std::array<iovec, kMostPieces> pieces;  // not initialized: only those that are used are looked at
  const std::size_t count = info.Length() - 2;
  if (count > kMostPieces) throw Napi::RangeError::New(info.Env(), "too many pieces");
  for (std::size_t index = 0; index < count; index++) {
    const auto bytes = ToBytes(info, index + 2);
    pieces[index] = {bytes.data(), bytes.size()};
  }
  const ssize_t result = preadv2(fd, pieces.data(), static_cast<int>(count), offset, RWF_NOWAIT);
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

}  // namespace node_kvm
