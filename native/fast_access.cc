#include "fast_access.h"

#include <algorithm>

namespace node_kvm {

const PostedRange* FastAccesses::FindPosted(const Access& access) const {
  for (const PostedRange& range : posted) {
    if (range.space == access.space && access.address >= range.start && access.length <= range.length &&
        access.address - range.start <= range.length - access.length) {
      return &range;
    }
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
    if (latch->space == access.space && access.address >= latch->address && access.length <= latch->width &&
        access.address - latch->address <= latch->width - access.length) {
      return latch.get();
    }
  }
  return nullptr;
}

std::uint32_t FastAccessTable::Post(Space space, std::uint64_t start, std::uint64_t length) {
  const std::lock_guard lock(mutex_);
  const std::uint32_t id = next_id_++;
  accesses_.posted.push_back({id, space, start, length});
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

void FastAccessTable::Remove(std::uint32_t id) {
  const std::lock_guard lock(mutex_);
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
