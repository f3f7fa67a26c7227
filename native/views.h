// The ArrayBuffers that show a mapping to JavaScript, and how long its addresses must live for them.
//
// JavaScript can take the memory of any of them into another one, ArrayBuffer.prototype.transfer(), and send that to
// another thread. V8 keeps account of who has it: its finalizer runs when nobody does. But Node also runs it when the
// environment ends in which the first one was made, and then another thread may have the memory still. So each buffer
// owns a share of the mapping; and the addresses of one that lives when its environment ends are kept for good. Of a
// guest's memory what it shows is gone then, and costs no memory: Mapping::Release(). The pages of a vCPU stay: its
// thread may still use them, and a kick lies in one.
#pragma once

#include <napi.h>

#include <cstddef>
#include <list>
#include <memory>

#include "mapping.h"

namespace node_kvm {

// Those over one mapping, or over several that go together.
class Views {
 public:
  enum class AtTheEnd { kKeepPages, kGivePagesBack };
  explicit Views(AtTheEnd at_the_end) : at_the_end_(at_the_end) {}

  // Until when JavaScript sees the mapping through a buffer: until DetachAll(), or as long as it has the buffer. The kernel may
  // still be reading a file into the latter when the mapping has been released.
  enum class Until { kDetached, kCollected };
  Napi::Value Make(Napi::Env env, const std::shared_ptr<Mapping>& mapping, std::size_t offset, std::size_t length,
                   Until until = Until::kDetached);
  // What JavaScript has taken elsewhere stays.
  void DetachAll();

 private:
  // What a buffer's memory owns.
  struct Share {
    std::shared_ptr<Mapping> mapping;
    AtTheEnd at_the_end;
    bool detached = false;  // by us: so nobody has the memory
  };
  struct View {
    Napi::Reference<Napi::ArrayBuffer> buffer;
    Share* share;  // as long as the buffer is attached
  };

  static void Finalize(napi_env env, Share* share);

  const AtTheEnd at_the_end_;
  std::list<View> views_;
  std::size_t look_for_dead_at_ = 16;
};

}  // namespace node_kvm
