// Accesses that a vCPU thread answers without JavaScript: posted writes and latched reads. The addon knows no device:
// it knows ranges whose writes go into a ring, and addresses whose reads have a value that JavaScript keeps current, one
// for each value of an index register, or one that follows from the time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "cache_line.h"

namespace node_kvm {

enum class Space : std::uint8_t { kPort = 0, kMmio = 1 };

// One access of a guest: `length` bytes at `address`.
struct Access {
  Space space;
  std::uint64_t address;
  std::uint32_t length;
  bool operator==(const Access&) const = default;
};

// The reads of a data register, a byte wide like its index register. JavaScript gives values, which expire; vCPU threads
// note the index that was written last. Each word is whole, and a read needs no two that belong together.
class IndexedLatch {
 public:
  static constexpr std::size_t kEntries = 128;

  IndexedLatch(std::uint64_t data, std::uint8_t mask) : data_(data), mask_(mask) {}
  [[nodiscard]] std::uint64_t data() const { return data_; }
  void Choose(std::uint8_t index) { index_.store(index, std::memory_order_release); }
  // What was chosen since Clear().
  [[nodiscard]] std::optional<std::uint8_t> Chosen() const;
  // Nothing when no index has been chosen since Clear(), or its value has expired.
  [[nodiscard]] std::optional<std::uint8_t> Read() const;
  // Until that time of MonotonicNow(), or up to 255 ns less.
  void Set(std::size_t index, std::uint8_t value, std::uint64_t until);
  void Clear();

 private:
  static constexpr std::uint32_t kNone = 0x100;

  std::array<std::atomic<std::uint64_t>, kEntries> entries_{};  // the time, with the value in place of its lowest byte
  std::uint64_t data_;
  std::atomic<std::uint32_t> index_ = kNone;
  std::uint8_t mask_;
};

struct PostedRange {
  std::uint32_t id;
  Space space;
  bool lazy;  // JavaScript is not woken for it
  std::uint64_t start;
  std::uint64_t length;
  std::shared_ptr<IndexedLatch> indexed;  // when the range is an index register
};

struct LatchedRead {
  std::uint32_t id;
  Space space;
  std::uint64_t address;
  std::uint32_t width;  // 1 to 8 bytes
  std::atomic<std::uint64_t> value;
};

// A register that counts up with MonotonicNow(), and wraps.
struct LatchedCounter {
  static constexpr std::uint64_t kMaxFrequency = 10'000'000'000;

  std::uint32_t id;
  std::uint32_t width;  // 1 to 8 bytes
  std::uint64_t address;
  std::uint64_t frequency;  // in Hz, at most kMaxFrequency
  std::uint64_t value;      // at that time and before it
  std::uint64_t epoch;
  Space space;
  std::uint8_t bits;  // 1 to 64

  [[nodiscard]] std::uint64_t At(std::uint64_t now) const;
};

// What is posted and latched, as one vCPU thread sees it.
struct FastAccesses {
  std::vector<PostedRange> posted;
  std::vector<std::shared_ptr<const LatchedRead>> latched;
  std::vector<LatchedCounter> counters;

  [[nodiscard]] bool empty() const { return posted.empty() && latched.empty() && counters.empty(); }

  [[nodiscard]] const PostedRange* FindPosted(const Access& access) const;
  // Whether narrower accesses within a posted one lie in the same range: ranges may overlap.
  [[nodiscard]] bool HasOneRange(const Access& access) const;
  [[nodiscard]] const LatchedRead* FindLatched(const Access& access) const;
  [[nodiscard]] const LatchedCounter* FindCounter(const Access& access) const;
  [[nodiscard]] std::optional<std::uint8_t> ReadIndexed(const Access& access) const;
};

// The same of a whole VM. JavaScript changes it while vCPU threads run; each takes a copy when the version has changed.
class FastAccessTable {
 public:
  std::uint32_t Post(Space space, std::uint64_t start, std::uint64_t length, bool lazy);
  std::uint32_t Latch(Space space, std::uint64_t address, std::uint32_t width, std::uint64_t value);
  // False when there is no such latch (any more).
  bool SetLatch(std::uint32_t id, std::uint64_t value);
  // Posts writes of the index register, a byte, too: lazily, since nobody needs it before a read of the data register
  // exits.
  std::uint32_t LatchIndexed(Space space, std::uint64_t index, std::uint64_t data, std::uint8_t mask);
  // Nothing when there is no such latch (any more).
  [[nodiscard]] std::shared_ptr<IndexedLatch> FindIndexed(std::uint32_t id) const;
  // Its id is chosen here, and returned.
  std::uint32_t Latch(LatchedCounter counter);
  // The next read finds that. False when there is no such counter (any more).
  bool SetCounter(std::uint32_t id, std::uint64_t value, std::uint64_t epoch);
  void Remove(std::uint32_t id);

  // Copies the table into `copy` when it is not at `version` any more, and returns its version.
  std::uint64_t Refresh(std::uint64_t version, FastAccesses& copy) const;

  [[nodiscard]] std::uint64_t version() const { return version_; }

  // Numbers the posted writes of all vCPUs: whoever takes one before he writes into his ring, and runs on after it, has
  // a lower one than everybody who can know of his write.
  [[nodiscard]] std::uint64_t Stamp() const { return stamps_++; }
  // Every write that has been posted by now has a lower one.
  [[nodiscard]] std::uint64_t NextStamp() const { return stamps_; }

 private:
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> version_ = 1;
  alignas(kCacheLine) mutable std::atomic<std::uint64_t> stamps_ = 0;
  std::uint32_t next_id_ = 1;
  FastAccesses accesses_;
  std::vector<std::shared_ptr<LatchedRead>> latches_;  // the same latches, writable
};

}  // namespace node_kvm
