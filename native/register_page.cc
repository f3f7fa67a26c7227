#include "register_page.h"

#include <sys/mman.h>

#include <algorithm>
#include <functional>
#include <new>
#include <tuple>
#include <utility>

#include "kick.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;
// What JavaScript stores as a bank's entry: when it expires, with the value in place of the time's lowest byte.
constexpr std::uint64_t kEntryValue = 0xff;
// JavaScript would have to start a counter so often while a thread reads it once.
constexpr int kTries = 100;

bool InOrder(const DecodeRow& row, const DecodeRow& next) {
  if (row.space != next.space) return row.space < next.space;
  return row.start < next.start && row.length <= next.start - row.start;
}

}  // namespace

bool DecodeRow::Contains(const Access& access) const {
  return space == access.space && access.address >= start && access.length <= length &&
         access.address - start <= length - access.length;
}

const DecodeRow* DecodeTable::Find(const Access& access) const {
  const auto after = std::ranges::upper_bound(rows, std::tuple(access.space, access.address), {},
                                              [](const DecodeRow& row) { return std::tuple(row.space, row.start); });
  if (after == rows.begin()) return nullptr;
  const DecodeRow& row = *std::prev(after);
  return row.Contains(access) ? &row : nullptr;
}

RegisterPage::RegisterPage()
    : mapping_(Mapping::Map(kCells * sizeof(RegisterCell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1)) {
  if (!mapping_) throw std::bad_alloc();
}

// SAFETY: the mapping has that many cells, page-aligned and zeroed, and nothing else; a cell is made of atomic words that
// any bits are a value of.
RegisterCell* RegisterPage::cells() const { return reinterpret_cast<RegisterCell*>(mapping_->data()); }

bool RegisterPage::Decode(std::vector<DecodeRow> rows) {
  if (std::ranges::adjacent_find(rows, std::not_fn(InOrder)) != rows.end()) return false;
  if (std::ranges::any_of(rows, [](const DecodeRow& row) { return row.cell == 0 || row.cell >= kCells; })) return false;
  auto table = std::make_shared<DecodeTable>();
  table->rows = std::move(rows);
  const std::lock_guard lock(mutex_);
  table->version = version_ + 1;
  table_ = std::move(table);
  ++version_;
  return true;
}

bool RegisterPage::Refresh(std::shared_ptr<const DecodeTable>& table) const {
  if (table->version == version_) return false;
  const std::lock_guard lock(mutex_);
  table = table_;
  return true;
}

std::optional<std::uint64_t> RegisterPage::Read(const DecodeRow& row, const Access& access) const {
  const RegisterCell& cell = cells()[row.cell];
  const std::uint64_t offset = access.address - row.start;
  if (offset + access.length > sizeof(std::uint64_t)) return std::nullopt;
  if (cell.whole != 0 && access.length != row.length) return std::nullopt;
  std::optional<std::uint64_t> value;
  switch (cell.read.load(std::memory_order_acquire)) {
    case CellRead::kValue:
      value = cell.starts[0].value.load(std::memory_order_acquire);
      break;
    case CellRead::kCounter:
      value = Count(cell);
      break;
    case CellRead::kBank:
      if (access.length == 1) value = Chosen(cell);
      break;
    default:
      break;
  }
  if (!value) return std::nullopt;
  return *value >> (8 * offset);
}

// By whole seconds and the rest, so that nothing but whole turns of 64 bits overflows, and nothing is rounded twice.
std::optional<std::uint64_t> RegisterPage::Count(const RegisterCell& cell) {
  const std::uint64_t frequency = cell.frequency;
  const std::uint8_t bits = cell.bits;
  if (bits < 1 || bits > 64 || frequency > kMaxFrequency) return std::nullopt;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    const std::uint32_t sequence = cell.sequence.load(std::memory_order_acquire);
    const auto& start = cell.starts[sequence % 2];
    const std::uint64_t value = start.value.load(std::memory_order_acquire);
    const std::uint64_t epoch = start.epoch.load(std::memory_order_acquire);
    if (cell.sequence.load(std::memory_order_acquire) != sequence) continue;
    const std::uint64_t now = MonotonicNow();
    const std::uint64_t elapsed = now > epoch ? now - epoch : 0;
    const std::uint64_t seconds = elapsed / kNanosecondsPerSecond;
    const std::uint64_t rest = elapsed % kNanosecondsPerSecond;
    static_assert(kMaxFrequency <= UINT64_MAX / kNanosecondsPerSecond);
    const std::uint64_t ticks = seconds * frequency + rest * frequency / kNanosecondsPerSecond;
    return (value + ticks) & (UINT64_MAX >> (64U - bits));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> RegisterPage::Chosen(const RegisterCell& cell) const {
  const std::uint32_t chosen = cell.chosen.load(std::memory_order_acquire);
  const std::uint32_t mask = cell.mask;
  const std::uint32_t bank = cell.bank;
  if (chosen >= RegisterCell::kNoneChosen || mask >= kBankEntries || bank > kCells - kBankCells) return std::nullopt;
  // SAFETY: a bank's entries fill the cells from its first one on, all of which the page has.
  const auto* entries = reinterpret_cast<const std::atomic<std::uint64_t>*>(cells() + bank);
  const std::uint64_t entry = entries[chosen & mask].load(std::memory_order_acquire);
  if (MonotonicNow() >= (entry & ~kEntryValue)) return std::nullopt;
  return entry & kEntryValue;
}

CellWrite RegisterPage::Write(const DecodeRow& row, const Access& access) const {
  const RegisterCell& cell = cells()[row.cell];
  if (cell.whole != 0 && access.length != row.length) return CellWrite::kExit;
  const CellWrite write = cell.write.load(std::memory_order_acquire);
  return write == CellWrite::kPost || write == CellWrite::kLazy ? write : CellWrite::kExit;
}

bool RegisterPage::TakesParts(const DecodeRow& row, const Access& access) const {
  return access.length == 1 || cells()[row.cell].whole == 0;
}

void RegisterPage::Choose(const DecodeRow& row, std::uint8_t index) {
  const std::uint32_t data = cells()[row.cell].chooses.load(std::memory_order_acquire);
  if (data != 0 && data < kCells) cells()[data].chosen.store(index, std::memory_order_release);
}

}  // namespace node_kvm
