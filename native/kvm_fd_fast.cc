// What a VM's descriptor says of fast accesses (fast_access.h).
#include <cstdint>

#include "arguments.h"
#include "kvm_fd.h"

namespace node_kvm {

// post(space, start, length, lazy): from now on vCPU threads post writes into that range. Returns an id.
Napi::Value KvmFd::Post(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  const auto space = static_cast<Space>(ToUint32(info, 0));
  const bool lazy = info[3].ToBoolean();
  return Napi::Number::New(info.Env(), vm.fast.Post(space, ToUint64(info, 1), ToUint64(info, 2), lazy));
}

// latch(space, address, width, value): from now on vCPU threads answer reads there. Returns an id.
Napi::Value KvmFd::Latch(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  const std::uint32_t width = ToUint32(info, 2);
  if (width < 1 || width > 8) throw Napi::RangeError::New(info.Env(), "a latch has 1 to 8 bytes");
  const auto space = static_cast<Space>(ToUint32(info, 0));
  return Napi::Number::New(info.Env(), vm.fast.Latch(space, ToUint64(info, 1), width, ToBigUint64(info, 3)));
}

// setLatch(id, value)
Napi::Value KvmFd::SetLatch(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  return Napi::Boolean::New(info.Env(), vm.fast.SetLatch(ToUint32(info, 0), ToBigUint64(info, 1)));
}

// latchIndexed(space, index, data, mask): from now on vCPU threads post writes of the index register and answer reads of
// the data register. Returns an id.
Napi::Value KvmFd::LatchIndexed(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  const std::uint32_t mask = ToUint32(info, 3);
  if (mask >= IndexedLatch::kEntries) throw Napi::RangeError::New(info.Env(), "the mask is too wide");
  const auto space = static_cast<Space>(ToUint32(info, 0));
  const std::uint64_t index = ToUint64(info, 1);
  return Napi::Number::New(info.Env(),
                           vm.fast.LatchIndexed(space, index, ToUint64(info, 2), static_cast<std::uint8_t>(mask)));
}

// setIndexed(id, index, value, until): false when it has been removed.
Napi::Value KvmFd::SetIndexed(const Napi::CallbackInfo& info) {
  const auto latch = Require(info.Env(), kVmFd).fast.FindIndexed(ToUint32(info, 0));
  const std::uint32_t index = ToUint32(info, 1);
  if (index >= IndexedLatch::kEntries) throw Napi::RangeError::New(info.Env(), "no such index");
  const std::uint64_t until = ToBigUint64(info, 3);
  if (latch) latch->Set(index, static_cast<std::uint8_t>(ToUint32(info, 2)), until);
  return Napi::Boolean::New(info.Env(), latch != nullptr);
}

// chosenIndexed(id): what the guest wrote last into the index register, or -1.
Napi::Value KvmFd::ChosenIndexed(const Napi::CallbackInfo& info) {
  const auto latch = Require(info.Env(), kVmFd).fast.FindIndexed(ToUint32(info, 0));
  const auto index = latch ? latch->Chosen() : std::nullopt;
  return Napi::Number::New(info.Env(), index ? *index : -1);
}

// clearIndexed(id)
Napi::Value KvmFd::ClearIndexed(const Napi::CallbackInfo& info) {
  const auto latch = Require(info.Env(), kVmFd).fast.FindIndexed(ToUint32(info, 0));
  if (latch) latch->Clear();
  return info.Env().Undefined();
}

// latchCounter(space, address, width, bits, frequency, value, epoch): from now on vCPU threads answer reads there.
// Returns an id.
Napi::Value KvmFd::LatchCounter(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  LatchedCounter counter{};
  counter.space = static_cast<Space>(ToUint32(info, 0));
  counter.address = ToUint64(info, 1);
  counter.width = ToUint32(info, 2);
  if (counter.width < 1 || counter.width > 8) throw Napi::RangeError::New(info.Env(), "a counter has 1 to 8 bytes");
  const std::uint32_t bits = ToUint32(info, 3);
  if (bits < 1 || bits > 64) throw Napi::RangeError::New(info.Env(), "a counter has 1 to 64 bits");
  counter.bits = static_cast<std::uint8_t>(bits);
  counter.frequency = ToUint64(info, 4);
  if (counter.frequency > LatchedCounter::kMaxFrequency) throw Napi::RangeError::New(info.Env(), "too fast");
  counter.value = ToBigUint64(info, 5);
  counter.epoch = ToBigUint64(info, 6);
  return Napi::Number::New(info.Env(), vm.fast.Latch(counter));
}

// setCounter(id, value, epoch): false when it has been removed.
Napi::Value KvmFd::SetCounter(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  return Napi::Boolean::New(info.Env(),
                            vm.fast.SetCounter(ToUint32(info, 0), ToBigUint64(info, 1), ToBigUint64(info, 2)));
}

// removeFast(id): ends a post or a latch.
Napi::Value KvmFd::RemoveFast(const Napi::CallbackInfo& info) {
  Descriptor& vm = Require(info.Env(), kVmFd);
  vm.fast.Remove(ToUint32(info, 0));
  vm.coalesced.TurnOff(vm.fd.get());
  return info.Env().Undefined();
}

}  // namespace node_kvm
