// Every ioctl that the addon can issue: one row each. JavaScript names a row and passes a number or a buffer; the row
// says which, and how large the buffer must be, before the kernel sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "descriptor.h"

namespace node_kvm {

enum class ArgShape : std::uint8_t {
  kNone,     // no argument: 0 is passed
  kValue,    // the argument itself, an unsigned 32-bit number
  kStruct,   // a buffer of exactly `size` bytes
  kCounted,  // a header of `size` bytes with a 32-bit count at `count_offset`, then that many entries
};

struct IoctlRow {
  const char* name;
  unsigned long request;
  std::uint32_t fds;  // FdKind bits
  ArgShape shape;
  std::size_t size = 0;
  std::size_t count_offset = 0;
  std::size_t entry_size = 0;
  std::uint32_t creates = 0;  // the FdKind of the descriptor that it returns; 0 when it returns none
};

std::span<const IoctlRow> IoctlTable();

// Whether a buffer is what the row asks for.
bool FitsRow(const IoctlRow& row, std::span<const std::uint8_t> bytes);

}  // namespace node_kvm
