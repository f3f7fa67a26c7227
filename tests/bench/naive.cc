// What a binding would do without the rendezvous: a vCPU on its own thread, each exit handed to JavaScript through a
// threadsafe function, and a futex on which the thread sleeps until JavaScript has answered. Only for the benchmark.
#include <linux/futex.h>
#include <napi.h>
#include <sys/syscall.h>

#include <atomic>
#include <memory>
#include <thread>

extern "C" {
#include "vm.h"
}

namespace {

class Naive : public Napi::ObjectWrap<Naive> {
 public:
  // new Naive(guest bytes, handler(port, byte) => whether to go on)
  explicit Naive(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Naive>(info) {
    auto guest = info[0].As<Napi::Uint8Array>();
    const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
    const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    int memory_fd = -1;
    std::uint8_t* memory = add_memory(vm, 0x10000, &memory_fd);
    std::copy(guest.Data(), guest.Data() + guest.ByteLength(), memory + LOAD_ADDRESS);
    vcpu_ = create_vcpu(vm);
    run_ = map_run(vcpu_, static_cast<std::size_t>(check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size")));
    kvm_sregs sregs{};
    check(ioctl(vcpu_, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    check(ioctl(vcpu_, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
    kvm_regs regs{};
    regs.rip = LOAD_ADDRESS;
    regs.rflags = 2;
    check(ioctl(vcpu_, KVM_SET_REGS, &regs), "KVM_SET_REGS");
    call_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "naive", 0, 1);
    Ref();  // alive until its thread has ended
    thread_ = std::thread([this] { Main(); });
  }

 private:
  void Main() {
    while (check(ioctl(vcpu_, KVM_RUN, 0), "KVM_RUN") == 0) {
      answer_ = kNone;
      call_.BlockingCall([this](Napi::Env env, Napi::Function handler) {
        const auto* data = reinterpret_cast<const std::uint8_t*>(run_) + run_->io.data_offset;
        const bool more =
            handler.Call({Napi::Number::New(env, run_->io.port), Napi::Number::New(env, *data)}).ToBoolean();
        answer_ = more ? kGo : kEnd;
        syscall(SYS_futex, &answer_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
        if (!more) {
          thread_.join();
          call_.Release();
          Unref();
        }
      });
      while (answer_ == kNone) syscall(SYS_futex, &answer_, FUTEX_WAIT_PRIVATE, kNone, nullptr, nullptr, 0);
      if (answer_ == kEnd) return;
    }
  }

  static constexpr std::uint32_t kNone = 0, kGo = 1, kEnd = 2;
  int vcpu_ = -1;
  kvm_run* run_ = nullptr;
  std::atomic<std::uint32_t> answer_ = kNone;
  Napi::ThreadSafeFunction call_;
  std::thread thread_;
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("Naive", Naive::DefineClass(env, "Naive", {}));
  return exports;
}

}  // namespace

NODE_API_MODULE(naive, Init)
