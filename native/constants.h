// The kernel's numbers by name: capabilities, exit reasons, states and flags.
#pragma once

#include <napi.h>

namespace node_kvm {

Napi::Object Constants(Napi::Env env);

}  // namespace node_kvm
