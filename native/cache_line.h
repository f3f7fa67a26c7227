// The unit in which memory moves between CPUs, in about 200 ns each time: so what one thread writes all the time is kept
// away from what another one polls, and what they hand over together lies together.
#pragma once

#include <cstddef>

namespace node_kvm {

inline constexpr std::size_t kCacheLine = 64;

}  // namespace node_kvm
