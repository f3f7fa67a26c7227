// A vCPU on a thread of its own. It runs the guest, answers accesses itself where it may (register_page.h), and takes every
// other exit to the JavaScript thread (rendezvous.h).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "cache_line.h"
#include "coalesced_writes.h"
#include "mapping.h"
#include "os_thread.h"
#include "register_page.h"
#include "rendezvous.h"
#include "vcpu_state.h"

namespace node_kvm {

// One posted write, as JavaScript reads it from the ring.
struct PostedWrite {
  std::uint32_t listener;  // of the row that it lies in
  std::uint32_t length;
  std::uint64_t address;
  std::array<std::uint8_t, 8> data;
  std::uint64_t stamp;  // when, among all posted writes of the VM: RegisterPage::Stamp()
};

inline constexpr std::uint32_t kRingEntries = 1024;

// What JavaScript sees of a thread. The vCPU thread writes the ring's free entries; the hub writes the others when it
// names the thread to JavaScript.
struct ThreadPage {
  std::int32_t result;         // a RunResult, or -errno
  std::uint32_t exit_offered;  // 1: JavaScript has the turn; 0: there are only posted writes to deliver
  std::uint32_t posted_first;  // the ring entries to deliver
  std::uint32_t posted_count;
  std::array<PostedWrite, kRingEntries> ring;
};

// Counters with one writer; reading them costs the writer nothing.
struct ThreadStats {
  // No read-modify-write is needed.
  static void Add(std::atomic<std::uint64_t>& counter, std::uint64_t amount) {
    counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  static constexpr std::size_t kReasons = 64;
  std::array<std::atomic<std::uint64_t>, kReasons> exits;  // by KVM_EXIT_*; the last one counts all that are higher
  std::atomic<std::uint64_t> posted;                       // writes that went into the ring
  std::atomic<std::uint64_t> latched;                      // reads answered from a cell
  std::atomic<std::uint64_t> delivered;                    // turns given to JavaScript
  std::atomic<std::uint64_t> notified;                     // times that the event loop had to be woken
  std::atomic<std::uint64_t> slept;                        // times that the thread slept until it was answered
  std::atomic<std::uint64_t> guest_nanoseconds;            // running the guest, fast accesses included
  std::atomic<std::uint64_t> handler_nanoseconds;          // waiting for JavaScript's answer
};

// What the vCPU threads of one JavaScript thread share with it.
struct Meeting {
  Attention attention;
  // Whether a posted write alone is worth a notification; JavaScript switches it off while it looks by a timer.
  std::atomic<bool> notify_posts = true;
  std::function<void()> notify;  // makes the event loop of the JavaScript thread look; from any thread
};

class VcpuThread {
 public:
  // `outside`: the thread begins with a turn of JavaScript's, RunResult::kOut, and not in the guest.
  VcpuThread(std::shared_ptr<VcpuState> vcpu, std::shared_ptr<Meeting> meeting, bool outside);
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  // All of these are JavaScript's.
  void BeginStop();  // makes the thread end, wherever it is
  void Stop();       // the same, and waits for a thread that has the vCPU in the guest: then others may run it
  // After that: waits until the thread has ended. This object must live so long.
  void Join();
  bool TryJoin();  // does not wait: false when it has not ended
  // Ends the turn, which took that many nanoseconds. True when it had to wake the thread.
  bool Answer(TurnState command, std::uint64_t handler_time);
  // How long the guest ran before the exit that JavaScript has, in nanoseconds.
  [[nodiscard]] std::uint64_t guest_time() const { return guest_time_; }
  // Fetches what the turn's taker will look at.
  void Prefetch() const;
  // Completes the pending access on the vCPU's thread; like VcpuState::Complete(), or kRingFull: then again. Posted
  // writes that came of it are shown in the page.
  int Complete(const std::function<void()>& meanwhile);
  void ComeOut();  // makes the guest come out with RunResult::kOut
  [[nodiscard]] bool exit_pending() const { return turn_.pending(); }
  [[nodiscard]] std::uint32_t PostedCount() const { return head_ - tail_; }
  // Whether one of the posted writes is not lazy.
  [[nodiscard]] bool EagerPosted() const { return eager_end_ - 1 - tail_ < PostedCount(); }
  [[nodiscard]] bool RingFills() const { return PostedCount() >= kRingEntries / 2; }
  // The stamp of the oldest posted write, of which there must be one.
  [[nodiscard]] std::uint64_t OldestPosted() const { return page().ring[tail_ % kRingEntries].stamp; }
  // How many of the posted writes have a stamp below this one.
  [[nodiscard]] std::uint32_t PostedBefore(std::uint64_t stamp) const;
  [[nodiscard]] const RegisterPage& registers() const { return registers_; }
  // JavaScript must look every millisecond: the kernel may be gathering writes.
  [[nodiscard]] bool coalescing() const { return coalesced_.active(); }
  // That look: the thread comes for what nobody has taken.
  void LookAtCoalesced(std::uint64_t now);
  // Shows in the page what there is for JavaScript: an exit or none, and the oldest posted writes.
  void Offer(bool exit, std::uint32_t posted);
  void ConsumePosted();  // frees the entries that were shown; again: nothing

  [[nodiscard]] ThreadPage& page() const;
  [[nodiscard]] const std::shared_ptr<Mapping>& mapping() const { return mapping_; }
  [[nodiscard]] const ThreadStats& stats() const { return stats_; }
  // Nanoseconds in the guest, and waiting for JavaScript's answers, up to this moment.
  [[nodiscard]] std::uint64_t GuestTime() const;
  [[nodiscard]] std::uint64_t HandlerTime() const;

 private:
  // Nothing that it reaches may allocate, or throw: there is nobody to tell.
  void Main(bool outside) noexcept;
  void LetGoOfVcpu();
  int RunGuest();
  int CompleteAccess();
  // Whether the exit was one that needs no JavaScript.
  bool AnswerFast();
  bool AnswerRead(const Access& access, std::uint8_t* data, std::uint32_t count);
  bool PostWrite(const Access& access, const std::uint8_t* data, std::uint32_t count);
  void Append(const DecodeRow& row, bool lazy, const Access& access, const std::uint8_t* data);
  void NotifyPosted(bool lazy);
  void TakeCoalesced();
  TurnState GiveTurn(int result);
  void WaitForSpace();

  VcpuState& vcpu_;
  std::shared_ptr<Meeting> meeting_;
  RegisterPage& registers_;  // of the VM, which the vCPU keeps alive
  std::shared_ptr<Mapping> mapping_;
  std::atomic<bool> stop_ = false;
  bool outside_ = false;  // when it was told to end, it waited for JavaScript; written before stop_

  // Written by one side before it gives the turn away, read by the other while it has it.
  alignas(kCacheLine) Turn turn_;
  std::int32_t result_ = 0;  // a RunResult, or -errno
  std::uint64_t guest_time_ = 0;
  std::uint64_t handler_time_ = 0;
  // The thread's share of the vCPU. It goes when the thread will not touch the vCPU again: by JavaScript when the thread
  // was outside of the guest as it was told to end, else by the thread.
  std::shared_ptr<VcpuState> share_;
  OsThread thread_;

  alignas(kCacheLine) std::atomic<std::uint32_t> head_ = 0;  // the vCPU thread appends here
  std::atomic<std::uint32_t> eager_end_ = 0;                 // where head_ was after the last write that is not lazy
  std::shared_ptr<const DecodeTable> decode_ = std::make_shared<DecodeTable>();  // and looks here whether it does
  alignas(kCacheLine) std::atomic<std::uint32_t> tail_ = 0;  // JavaScript has taken everything before this

  // The vCPU thread's own.
  alignas(kCacheLine) PollWindow window_;
  std::atomic<std::uint64_t> turn_began_ = 0;  // when the guest was entered last
  CoalescedWrites& coalesced_;                 // of the VM, as well
  DenseWrites dense_;
  ThreadStats stats_{};
};

}  // namespace node_kvm
