// A JavaScript function without an object behind it, for what every exit goes through: looking up the native object
// behind a method's `this`, and wrapping its arguments, cost as much as the rest of the call.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>

namespace node_kvm {

// `callback` gets `data`, which `owner` keeps alive for as long as the function lives.
template <typename Owner>
Napi::Value MakeBareFunction(Napi::Env env, const char* name, napi_callback callback, void* data, Owner owner) {
  napi_value function = nullptr;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) != napi_ok) {
    throw Napi::Error::New(env);
  }
  // SAFETY: the finalizer takes back what is released here.
  auto kept = std::make_unique<Owner>(std::move(owner));
  const auto reclaim = [](napi_env, void*, void* hint) {
    const std::unique_ptr<Owner> back(static_cast<Owner*>(hint));
  };
  if (napi_add_finalizer(env, function, data, reclaim, kept.get(), nullptr) != napi_ok) throw Napi::Error::New(env);
  static_cast<void>(kept.release());
  return {env, function};
}

}  // namespace node_kvm
