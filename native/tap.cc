#include "tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "arguments.h"
#include "system_error.h"

namespace node_kvm {
namespace {

// struct virtio_net_hdr_v1; linux/virtio_net.h is no C++, since it has a member called class.
constexpr int kHeaderSize = 12;
// Above it writev() refuses.
constexpr std::size_t kMostPieces = 1024;

// The result of a system call, as JavaScript gets it: a failure is a negative errno.
Napi::Value ResultOf(Napi::Env env, ssize_t result) {
  return Napi::Number::New(env, static_cast<double>(result < 0 ? -errno : result));
}

}  // namespace

Napi::Function Tap::Define(Napi::Env env) {
  return DefineClass(env, "Tap",
                     {InstanceMethod<&Tap::Name>("name"), InstanceMethod<&Tap::Read>("read"),
                      InstanceMethod<&Tap::Write>("write"), InstanceMethod<&Tap::SetOffload>("setOffload"),
                      InstanceMethod<&Tap::Listen>("listen"), InstanceMethod<&Tap::Close>("close")});
}

// new Tap(name, multiQueue, callback): an interface that is there already, or a new one; with an empty name, or one with %d, the
// kernel chooses. The callback is called when there is something to read.
Tap::Tap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Tap>(info) {
  const Napi::Env env = info.Env();
  ifreq request{};
  const std::string name = info[0].As<Napi::String>();
  if (name.size() >= sizeof request.ifr_name) throw Napi::RangeError::New(env, "a name that is too long");
  name.copy(request.ifr_name, name.size());
  const bool multi_queue = info[1].As<Napi::Boolean>();
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (multi_queue ? IFF_MULTI_QUEUE : 0));
  fd_ = UniqueFd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd_.valid()) throw SystemError(env, "open", errno);
  if (ioctl(fd_.get(), TUNSETIFF, &request) < 0) throw SystemError(env, "TUNSETIFF", errno);
  int header_size = kHeaderSize;
  if (ioctl(fd_.get(), TUNSETVNETHDRSZ, &header_size) < 0) throw SystemError(env, "TUNSETVNETHDRSZ", errno);
  name_.assign(request.ifr_name, strnlen(request.ifr_name, sizeof request.ifr_name));
  callback_ = Napi::Persistent(info[2].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "node-kvm.Tap");
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

void Tap::OnReadable() {
  const Napi::Env env = Env();
  const Napi::HandleScope scope(env);
  try {
    callback_.MakeCallback(env.Global(), {}, *context_);
  } catch (const Napi::Error& error) {
    // What a callback throws is an uncaught exception, as in any event of Node.
    napi_fatal_exception(env, error.Value());
  }
}

Napi::Value Tap::Name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), name_); }

// read(bytes): the length of a frame with its header, or -errno.
Napi::Value Tap::Read(const Napi::CallbackInfo& info) {
  const auto bytes = ToBytes(info, 0);
  return ResultOf(info.Env(), read(fd_.get(), bytes.data(), bytes.size()));
}

// write(...pieces): a header and its frame. What was written, or -errno.
Napi::Value Tap::Write(const Napi::CallbackInfo& info) {
  if (info.Length() > kMostPieces) throw Napi::RangeError::New(info.Env(), "too many pieces");
  std::array<iovec, kMostPieces> pieces;  // not initialized: only those that are used are looked at
  for (std::size_t index = 0; index < info.Length(); index++) {
    const auto bytes = ToBytes(info, index);
    pieces[index] = {bytes.data(), bytes.size()};
  }
  return ResultOf(info.Env(), writev(fd_.get(), pieces.data(), static_cast<int>(info.Length())));
}

// setOffload(flags): TUN_F_*, what may come undone. 0, or -errno.
Napi::Value Tap::SetOffload(const Napi::CallbackInfo& info) {
  return ResultOf(info.Env(), ioctl(fd_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(ToUint32(info, 0))));
}

// listen(on): whether the callback is called.
Napi::Value Tap::Listen(const Napi::CallbackInfo& info) {
  const bool on = info[0].As<Napi::Boolean>();
  if (on == listens_ || !fd_.valid()) return info.Env().Undefined();
  if (on)
    watch_.Start(info.Env(), fd_.get(), *this);
  else
    watch_.Stop();
  listens_ = on;
  return info.Env().Undefined();
}

Napi::Value Tap::Close(const Napi::CallbackInfo& info) {
  watch_.Stop();
  listens_ = false;
  fd_ = UniqueFd();
  callback_.Reset();  // it may refer to this tap, which nobody could collect then
  return info.Env().Undefined();
}

}  // namespace node_kvm
