#include "system_fd.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <utility>

#include "arguments.h"
#include "system_error.h"

namespace node_kvm {

// openKvm(path)
Napi::Value SystemFd::Open(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) throw SystemError(info.Env(), "open", errno);
  return Wrap(info.Env(), std::make_shared<Descriptor>(std::move(fd), kSystemFd, nullptr));
}

// adoptKvm(fd): a descriptor of KVM's device that somebody else has opened. It stays theirs: this is another one.
Napi::Value SystemFd::Adopt(const Napi::CallbackInfo& info) {
  UniqueFd fd(fcntl(static_cast<int>(ToUint32(info, 0)), F_DUPFD_CLOEXEC, 0));
  if (!fd.valid()) throw SystemError(info.Env(), "fcntl", errno);
  return Wrap(info.Env(), std::make_shared<Descriptor>(std::move(fd), kSystemFd, nullptr));
}

}  // namespace node_kvm
