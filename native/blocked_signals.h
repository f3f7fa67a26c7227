// Threads of ours start with every signal blocked: those of the process are for others.
#pragma once

#include <pthread.h>

#include <csignal>

namespace node_kvm {

// A thread that is made in this scope starts so. pthread_sigmask() fails only when it is called wrongly.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace node_kvm
