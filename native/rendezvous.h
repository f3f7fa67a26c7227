// The meeting of a vCPU thread with the JavaScript thread, on one atomic word a vCPU (`Turn`) and one word a
// JavaScript thread (`Attention`). Sleeping and waking cost ten times an exit; so each side first polls for a while.
//
// Turn: whose turn it is with one vCPU.
//
//   state           | the vCPU thread              | the JavaScript thread
//   ----------------+------------------------------+----------------------------------------------------
//   kGuest          | runs the guest               | waits; may not touch the vCPU
//   kExit           | polls for the answer         | handles the exit, then Answer()
//   kExitAsleep     | sleeps on the word (futex)   | handles the exit, then Answer() and wakes it
//   kComplete, kStop| takes the command, as kGuest | waits
//
//   kGuest      -> kExit        vCPU thread   Post(): what it posts is published by this store
//   kExit       -> kExitAsleep  vCPU thread   compare-and-swap, when polling has taken long enough
//   kExit       -> a command    JavaScript    Answer(): one exchange; it finds kExit: nobody sleeps
//   kExitAsleep -> a command    JavaScript    Answer(): the same exchange finds kExitAsleep: futex wake
//
// Attention: whether the JavaScript thread will look at the turns by itself.
//
//   kLooking   | it polls or handles exits, and looks at every turn before it leaves
//   kAsleep    | it is in the event loop, for as long as that likes: who posts must notify it
//   kNotified  | it is in the event loop, and has been (or will be) notified: nobody need do it again
//
//   kLooking  -> kAsleep    JavaScript   then it looks at every turn once more, and takes it back if one is pending
//   kAsleep   -> kLooking   JavaScript   that take-back, or a notification's arrival
//   kAsleep   -> kNotified  vCPU thread  compare-and-swap after its Post(); the one that wins sends the notification
//   kLooking  -> kNotified  JavaScript   its time slice is over: it has scheduled itself
//   kNotified -> kLooking   JavaScript   the notification, or its own schedule, arrives
//
// A wake-up cannot be lost: the poster stores its turn and then reads Attention; the sleeper stores kAsleep and then
// reads the turns. All four are sequentially consistent, so at least one of them sees the other's store.
// tests/model/rendezvous.promela is this table as a model; the checks explore all its interleavings.
#pragma once

#include <atomic>
#include <cstdint>

namespace node_kvm {

enum TurnState : std::uint32_t { kGuest = 0, kExit = 1, kExitAsleep = 2, kComplete = 3, kStop = 4 };

// How long to poll before sleeping, in nanoseconds: about twice what the other side's work proper takes (the guest's
// run, the handler's time), or long enough to wake it where it sleeps; not at all where that work is long. A poll that
// does not end in time means that CPUs are short, and then sleeping is better, because the kernel runs those first who
// have slept: polling pauses, for twice as many waits each time.
class PollWindow {
 public:
  // How long to poll in this wait.
  [[nodiscard]] std::uint64_t Next(bool other_sleeps);
  // The other side's work has taken that long.
  void Learn(std::uint64_t work);
  // How a poll ended.
  void Judge(bool in_time);

 private:
  std::uint64_t work_ = 0;   // on average
  std::uint32_t pause_ = 0;  // waits without polling that are left
  std::uint32_t pause_length_ = 0;
};

// One turn of a polling loop.
void Relax();

class Turn {
 public:
  // vCPU thread: gives the turn to JavaScript.
  void Post() { word_ = kExit; }
  // vCPU thread: polls for the answer until that time. Returns the command, or kExit when there is none yet.
  TurnState Poll(std::uint64_t end);
  // vCPU thread: sleeps until the answer is there, and returns it.
  TurnState Sleep();
  // JavaScript: ends its turn with a command (kGuest, kComplete or kStop). True when it had to wake the vCPU thread.
  bool Answer(TurnState command);

  // vCPU threads of this process that do not sleep; who wakes one counts it, so that a CPU is left for it. Each thread
  // begins and ends by counting itself.
  static std::atomic<int> awake;
  // Polling makes no sense when they need every CPU, and the JavaScript thread one, too.
  [[nodiscard]] static bool MayPoll();

  [[nodiscard]] bool pending() const {
    const std::uint32_t state = word_;
    return state == kExit || state == kExitAsleep;
  }

 private:
  std::atomic<std::uint32_t> word_ = kGuest;
};

class Attention {
 public:
  // vCPU thread, after a Post(): whether it has to notify the JavaScript thread.
  [[nodiscard]] bool MustNotify() {
    std::uint32_t expected = kAsleep;
    return state_ == kAsleep && state_.compare_exchange_strong(expected, kNotified);
  }
  // Whether it is in the event loop: it will look, but not at once.
  [[nodiscard]] bool away() const { return state_ != kLooking; }
  void Look() { state_ = kLooking; }
  void Sleep() { state_ = kAsleep; }
  void Scheduled() { state_ = kNotified; }

 private:
  enum : std::uint32_t { kLooking = 0, kAsleep = 1, kNotified = 2 };
  std::atomic<std::uint32_t> state_ = kAsleep;
};

}  // namespace node_kvm
