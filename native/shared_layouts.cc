#include "shared_layouts.h"

#include <cstddef>
#include <initializer_list>
#include <utility>

#include "register_page.h"
#include "vcpu_thread.h"

namespace node_kvm {
namespace {

Napi::Object Numbers(Napi::Env env, std::initializer_list<std::pair<const char*, std::size_t>> members) {
  Napi::Object numbers = Napi::Object::New(env);
  for (const auto& [name, value] : members) numbers.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  return numbers;
}

}  // namespace

Napi::Object RegisterCellLayout(Napi::Env env) {
  return Numbers(env, {{"cells", RegisterPage::kCells},
                       {"bankCells", RegisterPage::kBankCells},
                       {"size", sizeof(RegisterCell)},
                       {"read", offsetof(RegisterCell, read)},
                       {"write", offsetof(RegisterCell, write)},
                       {"whole", offsetof(RegisterCell, whole)},
                       {"bits", offsetof(RegisterCell, bits)},
                       {"mask", offsetof(RegisterCell, mask)},
                       {"bank", offsetof(RegisterCell, bank)},
                       {"chosen", offsetof(RegisterCell, chosen)},
                       {"chooses", offsetof(RegisterCell, chooses)},
                       {"sequence", offsetof(RegisterCell, sequence)},
                       {"frequency", offsetof(RegisterCell, frequency)},
                       {"starts", offsetof(RegisterCell, starts)}});
}

Napi::Object ThreadPageLayout(Napi::Env env) {
  return Numbers(env, {{"result", offsetof(ThreadPage, result)},
                       {"exitOffered", offsetof(ThreadPage, exit_offered)},
                       {"postedFirst", offsetof(ThreadPage, posted_first)},
                       {"postedCount", offsetof(ThreadPage, posted_count)},
                       {"ring", offsetof(ThreadPage, ring)},
                       {"entries", kRingEntries},
                       {"entrySize", sizeof(PostedWrite)},
                       {"listener", offsetof(PostedWrite, listener)},
                       {"length", offsetof(PostedWrite, length)},
                       {"address", offsetof(PostedWrite, address)},
                       {"data", offsetof(PostedWrite, data)},
                       {"dataSize", sizeof(PostedWrite::data)},
                       {"reasons", ThreadStats::kReasons}});
}

}  // namespace node_kvm
