#include "hub.h"

#include <algorithm>
#include <utility>

#include "arguments.h"
#include "bare_function.h"
#include "event_fd.h"
#include "kick.h"
#include "userfault.h"

namespace node_kvm {
namespace {

// How long exits may keep the event loop waiting in one go.
constexpr std::uint64_t kSliceNanoseconds = 1'000'000;

// What look() and next() return instead of a seat.
constexpr int kAsleep = -1;     // nothing to do; the callback will be called
constexpr int kSliceOver = -2;  // call look() again after a turn of the event loop
constexpr int kLookSoon = -3;   // nothing to do; but call look() again in a millisecond, for posted writes

}  // namespace

Napi::Function Hub::Define(Napi::Env env) {
  return DefineClass(env, "Hub",
                     {InstanceMethod<&Hub::Look>("look"), InstanceMethod<&Hub::Server>("server"),
                      InstanceMethod<&Hub::Answer>("answer"), InstanceMethod<&Hub::Remove>("remove")});
}

// new Hub(event): an EventFd that is signalled when a vCPU needs the JavaScript thread; its callback calls look().
// An eventfd, because the loop calls back once a turn, however often it is signalled meanwhile: a threadsafe function is
// called again and again as long as its queue has something, and timers and sockets wait.
Hub::Hub(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Hub>(info) {
  const Napi::Env env = info.Env();
  const EventFd& event = ToHandle<EventFd>(info, 0);
  event_ = Napi::Persistent(info[0].As<Napi::Object>());
  // Writing to an eventfd that is open fails only where it is signalled already.
  meeting_->notify = [fd = event.fd()] { static_cast<void>(SignalEvent(fd)); };
  // Runs before the descriptor above goes, when the environment ends in whatever way.
  if (napi_add_env_cleanup_hook(env, StopAllOf, this) != napi_ok) throw Napi::Error::New(env);
  info.This().As<Napi::Object>().TypeTag(&kTypeTag);
}

Hub::~Hub() {
  napi_remove_env_cleanup_hook(Env(), StopAllOf, this);
  StopAll();
}

// SAFETY: the hook is given the hub that registered it, and is taken back before that goes.
void Hub::StopAllOf(void* hub) { static_cast<Hub*>(hub)->StopAll(); }

void Hub::StopAll() {
  Userfault::UnregisterAll(Env());  // a thread that waits for JavaScript's answer there would never end
  // All are told before one is waited for: then they end at the same time, and not each when a CPU comes to it.
  for (Seat& seat : seats_) {
    if (seat.thread) seat.thread->BeginStop();
  }
  for (Seat& seat : seats_) {
    if (seat.thread) seat.thread->Join();
  }
  for (auto& thread : leaving_) thread->Join();
}

// Lets go of the threads that are out.
void Hub::Reap() {
  std::erase_if(leaving_, [](auto& thread) { return thread->TryJoin(); });
}

void Hub::MakeRoom() {
  Reap();
  seats_.reserve(seats_.size() + 1);
  leaving_.reserve(leaving_.size() + seats_.size() + 1);
}

std::uint32_t Hub::Add(std::shared_ptr<VcpuThread> thread) noexcept {
  for (std::uint32_t index = 0; index < seats_.size(); ++index) {
    if (!seats_[index].thread) {
      seats_[index] = {std::move(thread)};
      return index;
    }
  }
  seats_.push_back({std::move(thread)});
  return static_cast<std::uint32_t>(seats_.size() - 1);
}

// look(): begins a slice and returns the seat of a vCPU that has an exit or posted writes, or one of the codes above.
Napi::Value Hub::Look(const Napi::CallbackInfo& info) {
  Reap();
  const std::uint64_t now = MonotonicNow();
  slice_end_ = now + kSliceNanoseconds;
  delivered_posts_ = false;
  drained_ = false;
  meeting_->attention.Look();
  LookAtCoalesced(now);
  return Napi::Number::New(info.Env(), Wait(now));
}

// server(): a function next(seat) that lets that seat's vCPU run on (none below 0), and returns what look() would.
Napi::Value Hub::Server(const Napi::CallbackInfo& info) {
  return MakeBareFunction(info.Env(), "next", NextFromJavaScript, this,
                          Napi::Persistent(info.This().As<Napi::Object>()));
}

napi_value Hub::NextFromJavaScript(napi_env env, napi_callback_info info) {
  std::size_t count = 1;
  napi_value argument = nullptr;
  void* data = nullptr;
  std::int32_t answered = 0;
  if (napi_get_cb_info(env, info, &count, &argument, nullptr, &data) != napi_ok || count != 1 ||
      napi_get_value_int32(env, argument, &answered) != napi_ok) {
    napi_throw_type_error(env, nullptr, "next() takes a seat");
    return nullptr;
  }
  // SAFETY: the function keeps the hub that made it.
  Hub& hub = *static_cast<Hub*>(data);
  const std::uint64_t now = MonotonicNow();
  if (answered >= 0) hub.AnswerSeat(static_cast<std::uint32_t>(answered), now);
  napi_value result = nullptr;
  napi_create_int32(env, hub.Wait(now), &result);
  return result;
}

// answer(seat): lets that seat's vCPU run on outside of a slice. Returns whether to call look() again in a millisecond.
Napi::Value Hub::Answer(const Napi::CallbackInfo& info) {
  AnswerSeat(ToUint32(info, 0), MonotonicNow());
  return Napi::Boolean::New(info.Env(), AnyCoalescing());
}

// remove(seat): of a thread that has been told to end.
Napi::Value Hub::Remove(const Napi::CallbackInfo& info) {
  const std::uint32_t index = ToUint32(info, 0);
  if (offered_ == static_cast<int>(index)) offered_ = -1;
  if (index < seats_.size() && seats_[index].thread) leaving_.push_back(std::exchange(seats_[index], {}).thread);
  Reap();
  return info.Env().Undefined();
}

void Hub::AnswerSeat(std::uint32_t index, std::uint64_t now) {
  if (index >= seats_.size() || !seats_[index].thread || !seats_[index].taken) return;
  if (offered_ == static_cast<int>(index)) offered_ = -1;
  Seat& seat = seats_[index];
  seat.thread->ConsumePosted();
  seat.taken = false;
  woke_vcpu_ = seat.thread->Answer(kGuest, now - seat.taken_at);
}

void Hub::ConsumeOffered() {
  if (offered_ >= 0) seats_[static_cast<std::size_t>(offered_)].thread->ConsumePosted();
  offered_ = -1;
}

// Polls for a while, then goes to sleep.
int Hub::Wait(std::uint64_t start) {
  ConsumeOffered();
  const std::uint64_t poll = Turn::MayPoll() && AnyInGuest() ? window_.Next(woke_vcpu_) : 0;
  std::uint64_t now = start;
  for (;; Relax()) {
    if (now >= slice_end_) {
      meeting_->attention.Scheduled();
      return kSliceOver;
    }
    const int found = Find(now);
    if (found >= 0) {
      if (now != start) window_.Judge(now < start + poll * 2);
      return found;
    }
    drained_ = delivered_posts_;
    if (poll == 0) break;
    now = MonotonicNow();
    if (now < start + poll) continue;
    window_.Judge(false);
    break;
  }

  meeting_->notify_posts = !delivered_posts_;
  meeting_->attention.Sleep();
  const int found = Find(now);
  // A thread that has the kernel gather its writes notifies after that: here, or there, it is seen.
  if (found < 0) return delivered_posts_ || AnyCoalescing() ? kLookSoon : kAsleep;
  meeting_->attention.Look();
  return found;
}

// A vCPU that waits for JavaScript has taken what there was before that: it is about the others.
bool Hub::Coalescing(const Seat& seat) {
  return seat.thread && seat.thread->coalescing() && !seat.thread->exit_pending();
}

bool Hub::AnyCoalescing() const { return std::ranges::any_of(seats_, Coalescing); }

void Hub::LookAtCoalesced(std::uint64_t now) {
  for (const Seat& seat : seats_) {
    if (Coalescing(seat)) seat.thread->LookAtCoalesced(now);
  }
}

// Whether an exit can come: a vCPU that waits for JavaScript's answer has none.
bool Hub::AnyInGuest() const {
  return std::ranges::any_of(seats_, [](const Seat& seat) { return seat.thread && !seat.taken; });
}

// Lazy writes come along with others, and with exits.
bool Hub::WorthOffering(const VcpuThread& thread) { return thread.EagerPosted() || thread.RingFills(); }

// Once posted writes have been delivered and there were none for a moment, those that come one by one are left to
// gather: looking at each would slow down the vCPU that posts them.
int Hub::Find(std::uint64_t now) {
  const std::size_t count = seats_.size();
  for (std::size_t step = 0; step < count; ++step) {
    const std::size_t index = (next_seat_ + step) % count;
    const Seat& seat = seats_[index];
    if (!seat.thread || seat.taken) continue;
    if (seat.thread->exit_pending() || (!drained_ && WorthOffering(*seat.thread))) return Offer(index, now);
  }
  return -1;
}

// Offers the exit of this seat, or posted writes, its own or those of another vCPU of the same VM: one that knows of
// another's write, by memory or an interrupt, must not be heard before it. So writes are delivered by their stamps, and
// an exit after every write that had been posted when it was seen. Returns whose turn it is.
int Hub::Offer(std::size_t index, std::uint64_t now) {
  Seat& seat = seats_[index];
  const RegisterPage& vm = seat.thread->registers();
  const bool pending = seat.thread->exit_pending();
  // Before the rings are looked at: what is posted from here on, and could follow from a write that is not seen below,
  // waits until the next time. The limit of an exit stays, so that no other vCPU can put it off for ever.
  const std::uint64_t limit = seat.due.value_or(vm.NextStamp());
  if (pending) seat.due = limit;

  // Whose write is the oldest, and the oldest of the others'.
  std::size_t first = index;
  std::uint64_t oldest = limit;
  std::uint64_t next = limit;
  for (std::size_t other = 0; other < seats_.size(); ++other) {
    const Seat& of = seats_[other];
    if (!of.thread || of.taken || &of.thread->registers() != &vm || of.thread->PostedCount() == 0) continue;
    const std::uint64_t stamp = of.thread->OldestPosted();
    if (stamp >= oldest) {
      next = std::min(next, stamp);
      continue;
    }
    next = oldest;
    oldest = stamp;
    first = other;
  }

  const std::uint32_t posted = oldest < limit ? seats_[first].thread->PostedBefore(next) : 0;
  const bool exit = pending && first == index && next == limit;
  seats_[first].thread->Offer(exit, posted);
  if (exit) {
    seat.taken = true;
    seat.due.reset();
    seat.taken_at = now;
    seat.thread->Prefetch();
    window_.Learn(seat.thread->guest_time());
  }
  if (posted != 0 && seats_[first].thread->EagerPosted()) delivered_posts_ = true;
  next_seat_ = (pending && !exit ? index : index + 1) % seats_.size();
  offered_ = static_cast<int>(first);
  return offered_;
}

}  // namespace node_kvm
