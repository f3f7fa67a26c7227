// Where the vCPU threads of one JavaScript thread meet it (JavaScript's `Hub`; one per environment).
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "rendezvous.h"
#include "vcpu_thread.h"

namespace node_kvm {

class Hub : public Napi::ObjectWrap<Hub> {
 public:
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d03, 0x2f7d94b1c0e86a55};
  static Napi::Function Define(Napi::Env env);
  explicit Hub(const Napi::CallbackInfo& info);
  ~Hub() override;

  [[nodiscard]] const std::shared_ptr<Meeting>& meeting() const { return meeting_; }
  // Throws std::bad_alloc. After it, one thread can be added and removed without memory.
  void MakeRoom();
  // The number under which look() and next() name the thread.
  std::uint32_t Add(std::shared_ptr<VcpuThread> thread) noexcept;

 private:
  struct Seat {
    std::shared_ptr<VcpuThread> thread;
    bool taken = false;  // JavaScript has been given this exit and has not answered it
    std::uint64_t taken_at = 0;
    // The exit has been seen: what the VM's vCPUs posted with stamps below this one comes before it.
    std::optional<std::uint64_t> due = std::nullopt;
  };

  Napi::Value Look(const Napi::CallbackInfo& info);
  Napi::Value Server(const Napi::CallbackInfo& info);
  static napi_value NextFromJavaScript(napi_env env, napi_callback_info info);
  Napi::Value Answer(const Napi::CallbackInfo& info);
  Napi::Value Remove(const Napi::CallbackInfo& info);

  [[nodiscard]] static bool Coalescing(const Seat& seat);
  [[nodiscard]] static bool WorthOffering(const VcpuThread& thread);
  [[nodiscard]] bool AnyCoalescing() const;
  void LookAtCoalesced(std::uint64_t now);
  int Wait(std::uint64_t start);
  int Find(std::uint64_t now);
  int Offer(std::size_t index, std::uint64_t now);
  [[nodiscard]] bool AnyInGuest() const;
  void ConsumeOffered();
  void AnswerSeat(std::uint32_t index, std::uint64_t now);
  void Reap();
  void StopAll();
  static void StopAllOf(void* hub);

  std::shared_ptr<Meeting> meeting_ = std::make_shared<Meeting>();
  Napi::ObjectReference event_;  // the EventFd that makes the event loop look
  std::vector<Seat> seats_;
  std::vector<std::shared_ptr<VcpuThread>> leaving_;  // have been told to end, and may not have
  std::size_t next_seat_ = 0;                         // where to look first, so that each gets its turn
  int offered_ = -1;                                  // the seat whose posted writes JavaScript is delivering
  // In this look: posted writes, not only lazy ones, have been delivered; and then there was a moment without any.
  bool delivered_posts_ = false;
  bool drained_ = false;
  std::uint64_t slice_end_ = 0;
  PollWindow window_;
  bool woke_vcpu_ = false;  // the last answer had to wake its vCPU thread: its next exit takes a wake-up longer
};

}  // namespace node_kvm
