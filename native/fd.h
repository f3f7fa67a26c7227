// A KVM descriptor as JavaScript holds it: a class for each kind. What they share is here: the ioctls of the table that name the kind,
// and close(). A class adds only what no row can say.
#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "descriptor.h"

namespace node_kvm {

class Fd {
 public:
  // Of what Wrap() passed.
  explicit Fd(const Napi::CallbackInfo& info);
  virtual ~Fd() = default;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  // The JavaScript object of a descriptor, of the class of its kind.
  static Napi::Value Wrap(Napi::Env env, std::shared_ptr<Descriptor> descriptor);

  // The descriptor, or an empty pointer after close().
  [[nodiscard]] const std::shared_ptr<Descriptor>& descriptor() const { return descriptor_; }
  // The same for its methods: throws when it is closed.
  [[nodiscard]] Descriptor& Require(Napi::Env env) const;

  Napi::Value Ioctl(const Napi::CallbackInfo& info);
  Napi::Value Create(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

 protected:
  // Of a descriptor that is open.
  virtual void BeforeClose() {}

 private:
  int Issue(const Napi::CallbackInfo& info, const struct IoctlRow& row) const;

  std::shared_ptr<Descriptor> descriptor_;
};

// The class of a kind. `Self` derives from this, and its Define() calls DefineFd().
template <typename Self, FdKind kOf>
class FdOf : public Napi::ObjectWrap<Self>, public Fd {
 public:
  static constexpr FdKind kKind = kOf;
  static constexpr napi_type_tag kTypeTag = {0x6e6f64656b766d02, 0x51c20e7d3a8b4f00 + kOf};

  explicit FdOf(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Self>(info), Fd(info) {
    info.This().As<Napi::Object>().TypeTag(&kTypeTag);
  }

 protected:
  using Method = Napi::Value (Self::*)(const Napi::CallbackInfo&);
  using Methods = std::vector<Napi::ClassPropertyDescriptor<Self>>;

  static Napi::Function DefineFd(Napi::Env env, const char* name, Methods own = {}) {
    own.push_back(Self::InstanceMethod("ioctl", static_cast<Method>(&Fd::Ioctl)));
    own.push_back(Self::InstanceMethod("create", static_cast<Method>(&Fd::Create)));
    own.push_back(Self::InstanceMethod("close", static_cast<Method>(&Fd::Close)));
    return Self::DefineClass(env, name, own);
  }
};

}  // namespace node_kvm
