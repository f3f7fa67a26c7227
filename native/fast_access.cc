#include "fast_access.h"

#include <algorithm>

#include "kick.h"

namespace node_kvm {
namespace {

constexpr std::uint64_t kValueBits = 0xff;
constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

// Whether the access lies wholly in these bytes.
bool Contains(Space space, std::uint64_t start, std::uint64_t length, const Access& access) {
  return space == access.space && access.address >= start && access.length <= length &&
         access.address - start <= length - access.length;
}

}  // namespace

std::optional<std::uint8_t> IndexedLatch::Chosen() const {
  const std::uint32_t index = index_.load(std::memory_order_acquire);
  if (index == kNone) return std::nullopt;
  return static_cast<std::uint8_t>(index);
}

std::optional<std::uint8_t> IndexedLatch::Read() const {
  const std::optional<std::uint8_t> index = Chosen();
  if (!index) return std::nullopt;
  const std::uint64_t entry = entries_[*index & mask_].load(std::memory_order_acquire);
  if (MonotonicNow() >= (entry & ~kValueBits)) return std::nullopt;
  return static_cast<std::uint8_t>(entry & kValueBits);
}

void IndexedLatch::Set(std::size_t index, std::uint8_t value, std::uint64_t until) {
  entries_[index].store((until & ~kValueBits) | value, std::memory_order_release);
}

void IndexedLatch::Clear() {
  index_.store(kNone, std::memory_order_release);
  for (auto& entry : entries_) entry.store(0, std::memory_order_release);
}

// By whole seconds and the rest, so that nothing but whole turns of 64 bits overflows, and nothing is rounded twice.
std::uint64_t LatchedCounter::At(std::uint64_t now) const {
  const std::uint64_t elapsed = now > epoch ? now - epoch : 0;
  const std::uint64_t seconds = elapsed / kNanosecondsPerSecond;
  const std::uint64_t rest = elapsed % kNanosecondsPerSecond;
  static_assert(kMaxFrequency <= UINT64_MAX / kNanosecondsPerSecond);
  const std::uint64_t ticks = seconds * frequency + rest * frequency / kNanosecondsPerSecond;
  return (value + ticks) & (UINT64_MAX >> (64U - bits));
}

const PostedRange* FastAccesses::FindPosted(const Access& access) const {
  for (const PostedRange& range : posted) {
    if (Contains(range.space, range.start, range.length, access)) return &range;
  }
  return nullptr;
}

bool FastAccesses::HasOneRange(const Access& access) const {
  const auto first = std::ranges::find_if(posted, [&access](const PostedRange& range) {
    return range.space == access.space &&
           (access.address - range.start < range.length || range.start - access.address < access.length);
  });
  return first != posted.end() && &*first == FindPosted(access);
}

const LatchedRead* FastAccesses::FindLatched(const Access& access) const {
  for (const auto& latch : latched) {
    if (Contains(latch->space, latch->address, latch->width, access)) return latch.get();
  }
  return nullptr;
}

const LatchedCounter* FastAccesses::FindCounter(const Access& access) const {
  for (const LatchedCounter& counter : counters) {
    if (Contains(counter.space, counter.address, counter.width, access)) return &counter;
  }
  return nullptr;
}

std::optional<std::uint8_t> FastAccesses::ReadIndexed(const Access& access) const {
  for (const PostedRange& range : posted) {
    if (range.indexed && range.space == access.space && range.indexed->data() == access.address && access.length == 1) {
      return range.indexed->Read();
    }
  }
  return std::nullopt;
}

std::uint32_t FastAccessTable::Post(Space space, std::uint64_t start, std::uint64_t length, bool lazy) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t id = next_id_++;
  accesses_.posted.push_back({id, space, lazy, start, length, nullptr});
  ++version_;
  return id;
}

std::uint32_t FastAccessTable::Latch(Space space, std::uint64_t address, std::uint32_t width, std::uint64_t value) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t id = next_id_++;
  auto latch = std::make_shared<LatchedRead>();
  latch->id = id;
  latch->space = space;
  latch->address = address;
  latch->width = width;
  latch->value = value;
  accesses_.latched.push_back(latch);
  latches_.push_back(std::move(latch));
  ++version_;
  return id;
}

bool FastAccessTable::SetLatch(std::uint32_t id, std::uint64_t value) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(latches_, id, [](const auto& latch) { return latch->id; });
  if (found == latches_.end()) return false;
  (*found)->value = value;
  return true;
}

std::uint32_t FastAccessTable::LatchIndexed(Space space, std::uint64_t index, std::uint64_t data, std::uint8_t mask) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t id = next_id_++;
  accesses_.posted.push_back({id, space, true, index, 1, std::make_shared<IndexedLatch>(data, mask)});
  ++version_;
  return id;
}

std::shared_ptr<IndexedLatch> FastAccessTable::FindIndexed(std::uint32_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(accesses_.posted, id, &PostedRange::id);
  return found == accesses_.posted.end() ? nullptr : found->indexed;
}

std::uint32_t FastAccessTable::Latch(LatchedCounter counter) {
  const std::lock_guard lock(mutex_);
  counter.id = next_id_++;
  accesses_.counters.push_back(counter);
  ++version_;
  return counter.id;
}

// A thread looks at the version before each answer: so value and time need not be one word.
bool FastAccessTable::SetCounter(std::uint32_t id, std::uint64_t value, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(accesses_.counters, id, &LatchedCounter::id);
  if (found == accesses_.counters.end()) return false;
  found->value = value;
  found->epoch = epoch;
  ++version_;
  return true;
}

void FastAccessTable::Remove(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(accesses_.counters, [id](const LatchedCounter& counter) { return counter.id == id; });
  std::erase_if(accesses_.posted, [id](const PostedRange& range) { return range.id == id; });
  std::erase_if(accesses_.latched, [id](const auto& latch) { return latch->id == id; });
  std::erase_if(latches_, [id](const auto& latch) { return latch->id == id; });
  ++version_;
}

std::uint64_t FastAccessTable::Refresh(std::uint64_t version, FastAccesses& copy) const {
  if (version_ == version) return version;
  const std::lock_guard lock(mutex_);
  copy = accesses_;
  return version_;
}

}  // namespace node_kvm
