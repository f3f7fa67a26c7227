#include "views.h"

#include <mutex>
#include <utility>
#include <vector>

namespace node_kvm {
namespace {

// Never destroyed: somebody may look at the addresses until the process ends.
void KeepForGood(std::shared_ptr<Mapping> mapping) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::shared_ptr<Mapping>>;
  const std::lock_guard lock(mutex);
  kept.push_back(std::move(mapping));
}

// An environment that ends refuses every call that could run JavaScript; this one would run none.
bool Ends(napi_env env) {
  napi_value global = nullptr;
  napi_value unused = nullptr;
  return napi_get_global(env, &global) != napi_ok || napi_coerce_to_bool(env, global, &unused) != napi_ok;
}

}  // namespace

Napi::Value Views::Make(Napi::Env env, const std::shared_ptr<Mapping>& mapping, std::size_t offset, std::size_t length,
                        Until until) {
  if (views_.size() >= look_for_dead_at_) {
    std::erase_if(views_, [](auto& view) { return view.buffer.Value().IsEmpty(); });
    look_for_dead_at_ = 2 * views_.size() + 16;
  }
  auto share = std::make_unique<Share>(Share{mapping, at_the_end_});
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, mapping->data() + offset, length, [](Napi::BasicEnv ending, void*, Share* hint) { Finalize(ending, hint); },
      share.get());
  Share* const owned = share.release();
  if (until == Until::kDetached) views_.push_back({Napi::Weak(buffer), owned});
  return buffer;
}

void Views::DetachAll() {
  for (auto& [reference, share] : views_) {
    Napi::ArrayBuffer buffer = reference.Value();
    if (buffer.IsEmpty() || buffer.IsDetached()) continue;
    share->detached = true;
    buffer.Detach();
  }
  views_.clear();
}

void Views::Finalize(napi_env env, Share* share) {
  // SAFETY: Make() released it to this finalizer; Node runs that exactly once.
  const std::unique_ptr<Share> reclaimed(share);
  if (share->detached || !Ends(env)) return;
  if (share->at_the_end == AtTheEnd::kGivePagesBack) share->mapping->Release();
  KeepForGood(std::move(share->mapping));
}

}  // namespace node_kvm
