// A failed system call as a JavaScript error with `errno` and `syscall`; TypeScript turns it into a KvmError.
#pragma once

#include <napi.h>

#include <cstring>
#include <string>

namespace node_kvm {

inline Napi::Error SystemError(Napi::Env env, const char* syscall, int error_number) {
  Napi::Error error = Napi::Error::New(env, std::string(syscall) + ": " + std::strerror(error_number));
  error.Set("errno", Napi::Number::New(env, error_number));
  error.Set("syscall", Napi::String::New(env, syscall));
  return error;
}

}  // namespace node_kvm
