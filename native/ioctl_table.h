// Every ioctl that the addon can issue: one row each. JavaScript names a row and passes a number or a buffer; the row
// says which, how large the buffer must be, and what its members point to, before the kernel sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "descriptor.h"

namespace node_kvm {

enum class ArgShape : std::uint8_t {
  kNone,     // no argument: 0 is passed
  kValue,    // the argument itself, a number
  kStruct,   // a buffer of exactly `size` bytes
  kCounted,  // a header of `size` bytes with a count at `count_offset`, then that many entries
};

enum class LinkKind : std::uint8_t {
  kBuffer,   // the address of a buffer of at least `bytes()` bytes; 0 for none
  kMemory,   // the address of a range of guest memory: the member holds its offset, the next one its length
  kEventFd,  // the descriptor of an eventfd, 32 bits; -1 for none
  kTap,      // the descriptor of a tap, 32 bits; -1 for none
  kOwnFd,    // a descriptor that the user has opened, 32 bits, given as a number; -1 for none
};

// A member that JavaScript cannot fill in, because it holds neither addresses nor descriptors: it passes what is meant beside the
// struct, in the order of the row's links.
struct Link {
  LinkKind kind;
  std::size_t offset;
  std::size_t (*bytes)(const Descriptor& descriptor, const std::uint8_t* argument) = nullptr;
};

// What `bytes()` says when the member is no address this time: then it stays as it is.
inline constexpr std::size_t kNoAddress = SIZE_MAX;
inline constexpr std::size_t kNowhere = SIZE_MAX;

// Whom a call waits for, beside the kernel. A vCPU that waits for a page (userfault.h) waits for this very thread.
enum class WaitsFor : std::uint8_t {
  kNobody,
  kVcpus,   // it changes what the vCPUs use, and waits until none is in between
  kMemory,  // it touches guest memory, and may have to wait for a page itself
};

struct IoctlRow {
  const char* name;
  unsigned long request;
  std::uint32_t fds;  // FdKind bits
  ArgShape shape;
  std::size_t size = 0;
  std::size_t count_offset = 0;
  std::size_t count_width = 4;
  std::size_t entry_size = 0;
  std::uint32_t creates = 0;         // the FdKind of the descriptor that it returns; 0 when it returns none
  std::size_t fd_offset = kNowhere;  // where in the struct the new descriptor is, when it is not the result
  std::span<const Link> links = {};
  // How many bytes the kernel wants this time, where that is not `size`.
  std::size_t (*needed)(const Descriptor& descriptor) = nullptr;
  WaitsFor waits_for = WaitsFor::kNobody;
  // Fewer bytes than that the kernel would read, whatever a count says.
  std::size_t least = 0;
  // Whether the argument holds an address or a descriptor of the host that no link puts in: those are never JavaScript's.
  bool (*names_host)(const std::uint8_t* argument) = nullptr;
};

std::span<const IoctlRow> IoctlTable();

// Whether a buffer is what the row asks for.
bool FitsRow(const IoctlRow& row, const Descriptor& descriptor, std::span<const std::uint8_t> bytes);

}  // namespace node_kvm
