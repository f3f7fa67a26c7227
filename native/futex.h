// Sleeping on an atomic word until another thread of the process changes it.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <ctime>

namespace node_kvm {

// SAFETY: the kernel reads the word as a plain 32-bit one, which a lock-free std::atomic<uint32_t> is.
static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

// Sleeps while the word is `expected`, and no longer than to `end` (CLOCK_MONOTONIC; null: no end). It may return for no
// reason, or because the kernel refuses: the caller looks at the word again, whatever the reason was.
inline void FutexWait(std::atomic<std::uint32_t>* word, std::uint32_t expected, const timespec* end = nullptr) {
  syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, end, nullptr, FUTEX_BITSET_MATCH_ANY);
}

// Wakes one that sleeps there. It cannot fail.
inline void FutexWake(std::atomic<std::uint32_t>* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

}  // namespace node_kvm
