// Checked readings of what JavaScript passes. A wrong type here is a bug in the TypeScript above: it throws.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

namespace node_kvm {

// Every integer below 2^53 is exact in a JavaScript number.
inline constexpr double kMaxSafeInteger = 9007199254740991.0;

inline std::uint64_t ToUint64(const Napi::CallbackInfo& info, std::size_t index) {
  const Napi::Value value = info[index];
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= kMaxSafeInteger && std::floor(number) == number)) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " must be a whole number below 2^53");
  }
  return static_cast<std::uint64_t>(number);
}

inline std::uint32_t ToUint32(const Napi::CallbackInfo& info, std::size_t index) {
  const std::uint64_t value = ToUint64(info, index);
  if (value > UINT32_MAX) {
    throw Napi::RangeError::New(info.Env(), "argument " + std::to_string(index) + " must fit in 32 bits");
  }
  return static_cast<std::uint32_t>(value);
}

inline std::uint64_t ToBigUint64(const Napi::CallbackInfo& info, std::size_t index) {
  bool lossless = false;
  const Napi::Value value = info[index];
  const std::uint64_t number = value.IsBigInt() ? value.As<Napi::BigInt>().Uint64Value(&lossless) : 0;
  if (!lossless)
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " must be a 64-bit bigint");
  return number;
}

// A Uint8Array over an ordinary ArrayBuffer. A SharedArrayBuffer is refused: another thread could change a count
// between its check and its use.
inline std::span<std::uint8_t> ToBytes(const Napi::CallbackInfo& info, std::size_t index) {
  const Napi::Env env = info.Env();
  const Napi::Value value = info[index];
  napi_typedarray_type type{};
  std::size_t length = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  bool is_plain = false;
  // Not the property `buffer`: reading it can run JavaScript, which could change what has been checked.
  const bool known = value.IsTypedArray() &&
                     napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, nullptr) == napi_ok &&
                     type == napi_uint8_array && napi_is_arraybuffer(env, buffer, &is_plain) == napi_ok;
  if (!known || !is_plain) {
    throw Napi::TypeError::New(env, "argument " + std::to_string(index) + " must be a plain Uint8Array");
  }
  return {static_cast<std::uint8_t*>(data), length};
}

// The native object behind a JavaScript handle of class T, told apart by its type tag.
template <typename T>
T& ToHandle(const Napi::CallbackInfo& info, std::size_t index) {
  const Napi::Value value = info[index];
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&T::kTypeTag)) {
    throw Napi::TypeError::New(info.Env(), "argument " + std::to_string(index) + " is a handle of another kind");
  }
  return *T::Unwrap(value.As<Napi::Object>());
}

}  // namespace node_kvm
