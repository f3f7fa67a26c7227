// Where JavaScript finds the members of what it shares with the addon: no offset is copied by hand.
#pragma once

#include <napi.h>

namespace node_kvm {

// struct RegisterCell of register_page.h, and how many of them there are.
Napi::Object RegisterCellLayout(Napi::Env env);
// struct ThreadPage and struct PostedWrite of vcpu_thread.h.
Napi::Object ThreadPageLayout(Napi::Env env);

}  // namespace node_kvm
