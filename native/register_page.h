// The register page of a VM: how its vCPU threads answer accesses without JavaScript. The addon knows no device; it knows
//  - cells, in memory that JavaScript shares: each says what a read finds, and whether a write is posted. JavaScript
//    changes one by a store, and what it stores is checked whenever it is used: what makes no sense exits;
//  - one table that says which addresses are which cell's. JavaScript replaces it as a whole.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cache_line.h"
#include "mapping.h"

namespace node_kvm {

enum class Space : std::uint8_t { kPort = 0, kMmio = 1 };

// One access of a guest: `length` bytes at `address`.
struct Access {
  Space space;
  std::uint64_t address;
  std::uint32_t length;
  bool operator==(const Access&) const = default;
};

// What a read of a cell finds. `exit`: JavaScript answers.
enum class CellRead : std::uint8_t { kExit = 0, kValue = 1, kCounter = 2, kBank = 3 };
// What becomes of a write. `lazy`: posted, and JavaScript is not woken for it.
enum class CellWrite : std::uint8_t { kExit = 0, kPost = 1, kLazy = 2 };

// JavaScript writes all members, and vCPU threads `chosen`. All zero: every access exits.
struct alignas(kCacheLine) RegisterCell {
  static constexpr std::uint32_t kNoneChosen = 0x100;

  // What a value is, and where a counter starts: value and time. A counter's are `starts[sequence % 2]`; JavaScript writes
  // the other ones and then raises the sequence, so that a reader has a value and a time that belong together.
  struct Start {
    std::atomic<std::uint64_t> value;
    std::atomic<std::uint64_t> epoch;
  };

  std::atomic<CellRead> read;
  std::atomic<CellWrite> write;
  std::atomic<std::uint8_t> whole;     // not 0: an access of a part of the register exits
  std::atomic<std::uint8_t> bits;      // of a counter, 1 to 64
  std::atomic<std::uint32_t> mask;     // of a bank: which bits of the index choose
  std::atomic<std::uint32_t> bank;     // the first of the cells that hold the entries
  std::atomic<std::uint32_t> chosen;   // the index that was written last
  std::atomic<std::uint32_t> chooses;  // the cell whose `chosen` the written byte becomes; 0: none
  std::atomic<std::uint32_t> sequence;
  std::atomic<std::uint64_t> frequency;  // of a counter, in Hz
  std::array<Start, 2> starts;
};
static_assert(sizeof(RegisterCell) == kCacheLine);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<CellRead>::is_always_lock_free);

// These addresses are that cell's.
struct DecodeRow {
  Space space;
  std::uint64_t start;
  std::uint64_t length;
  std::uint32_t cell;
  std::uint32_t listener;  // whom JavaScript tells of a posted write

  [[nodiscard]] bool Contains(const Access& access) const;
};

struct DecodeTable {
  std::uint64_t version = 0;
  std::vector<DecodeRow> rows;  // sorted, and none overlaps another

  // The row that has all of the access.
  [[nodiscard]] const DecodeRow* Find(const Access& access) const;
};

class RegisterPage {
 public:
  static constexpr std::uint32_t kCells = 1024;  // the first one is nobody's
  static constexpr std::size_t kBankEntries = 128;
  static constexpr std::size_t kBankCells = kBankEntries * sizeof(std::uint64_t) / sizeof(RegisterCell);
  static constexpr std::uint64_t kMaxFrequency = 10'000'000'000;

  RegisterPage();  // throws std::bad_alloc
  [[nodiscard]] const std::shared_ptr<Mapping>& mapping() const { return mapping_; }

  // JavaScript's. False when the rows are not sorted, overlap, or name a cell that is none.
  bool Decode(std::vector<DecodeRow> rows);
  // True when `table` was not the one that counts, which it is then.
  bool Refresh(std::shared_ptr<const DecodeTable>& table) const;
  [[nodiscard]] bool Current(const DecodeTable& table) const { return table.version == version_; }

  // A cell can have been given to another register since the table was fetched: who has used one of these looks with
  // Refresh() whether the answer counts.
  // What an access that the row contains reads as, its first byte lowest. Nothing: it exits.
  [[nodiscard]] std::optional<std::uint64_t> Read(const DecodeRow& row, const Access& access) const;
  [[nodiscard]] CellWrite Write(const DecodeRow& row, const Access& access) const;
  // Whether narrower accesses within this one are answered the same.
  [[nodiscard]] bool TakesParts(const DecodeRow& row, const Access& access) const;
  // The write of an index register chooses. JavaScript uses a cell again after all others: so it is still that one's.
  void Choose(const DecodeRow& row, std::uint8_t index);

  // Numbers the posted writes of all vCPUs: whoever takes one before he writes into his ring, and runs on after it, has
  // a lower one than everybody who can know of his write.
  [[nodiscard]] std::uint64_t Stamp() { return stamps_++; }
  // Every write that has been posted by now has a lower one.
  [[nodiscard]] std::uint64_t NextStamp() const { return stamps_; }

 private:
  [[nodiscard]] RegisterCell* cells() const;
  [[nodiscard]] static std::optional<std::uint64_t> Count(const RegisterCell& cell);
  [[nodiscard]] std::optional<std::uint64_t> Chosen(const RegisterCell& cell) const;

  std::shared_ptr<Mapping> mapping_;
  std::atomic<std::uint64_t> version_ = 0;
  // Written all the time; what follows is looked at when the version has changed.
  alignas(kCacheLine) std::atomic<std::uint64_t> stamps_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const DecodeTable> table_ = std::make_shared<DecodeTable>();
};

}  // namespace node_kvm
