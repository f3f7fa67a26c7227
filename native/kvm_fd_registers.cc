// What a VM's descriptor says of its register page (register_page.h).
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "arguments.h"
#include "kvm_fd.h"

namespace node_kvm {
namespace {

constexpr std::size_t kRowNumbers = 5;

// A row's number, of which `limit` is the highest.
std::uint64_t RowNumber(Napi::Env env, double number, double limit) {
  if (!(number >= 0 && number <= limit && std::floor(number) == number)) {
    throw Napi::RangeError::New(env, "a row has whole numbers in their range");
  }
  return static_cast<std::uint64_t>(number);
}

}  // namespace

// registerPage(): the cells, detached by close().
Napi::Value KvmFd::RegisterPage(const Napi::CallbackInfo& info) {
  const auto& mapping = Require(info.Env(), kVmFd).registers->mapping();
  return views_.Make(info.Env(), mapping, 0, mapping->size());
}

// decode(rows): the table from now on: a Float64Array of space, start, length, cell and listener for each row.
Napi::Value KvmFd::Decode(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Descriptor& vm = Require(env, kVmFd);
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    throw Napi::TypeError::New(env, "rows must be a Float64Array");
  }
  const auto numbers = info[0].As<Napi::Float64Array>();
  if (numbers.ElementLength() % kRowNumbers != 0) throw Napi::RangeError::New(env, "a row has five numbers");
  std::vector<DecodeRow> rows;
  rows.reserve(numbers.ElementLength() / kRowNumbers);
  for (std::size_t at = 0; at < numbers.ElementLength(); at += kRowNumbers) {
    rows.push_back({static_cast<Space>(RowNumber(env, numbers[at], 1)),
                    RowNumber(env, numbers[at + 1], kMaxSafeInteger), RowNumber(env, numbers[at + 2], kMaxSafeInteger),
                    static_cast<std::uint32_t>(RowNumber(env, numbers[at + 3], UINT32_MAX)),
                    static_cast<std::uint32_t>(RowNumber(env, numbers[at + 4], UINT32_MAX))});
  }
  if (!vm.registers->Decode(std::move(rows))) throw Napi::RangeError::New(env, "rows are sorted and do not overlap");
  // What the kernel gathers may be nobody's now, or another's. Afterwards, because vCPU threads may turn it on at any time.
  vm.coalesced.TurnOff(vm.fd.get());
  return env.Undefined();
}

// { cells, size, bankCells, read, write, … }: how many cells a page has, how large one is, and where its members are.

}  // namespace node_kvm
