// Sizes and field offsets of the kernel structs that TypeScript reads and writes, as the compiler sees them.
#pragma once

#include <napi.h>

namespace node_kvm {

// { kvm_regs: { size, fields: [{ name, offset, type: 'uint' | 'int' | struct name, width, count }] } }
// A name with dots is a member of a nested struct. Padding has no entry.
Napi::Object Layout(Napi::Env env);

}  // namespace node_kvm
