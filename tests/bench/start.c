// start GUEST COUNT: runs the guest to its HLT in COUNT VMs, one after the other.
// Prints how many nanoseconds each took from opening KVM to its first exit.
#include "vm.h"

static void live(const char* image) {
  const uint64_t start = nanoseconds();
  const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  int memory_fd;
  uint8_t* memory = add_memory(vm, 0x10000, &memory_fd);
  const int guest = check(open(image, O_RDONLY | O_CLOEXEC), image);
  check((int)read(guest, memory + LOAD_ADDRESS, 0x1000), image);
  close(guest);
  const int vcpu = create_vcpu(vm);
  const size_t run_size = (size_t)check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  struct kvm_run* run = map_run(vcpu, run_size);
  set_entry(vcpu);

  check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
  print_nanoseconds(nanoseconds() - start);
  while (run->exit_reason == KVM_EXIT_IO) check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
  if (run->exit_reason != KVM_EXIT_HLT) fail("unexpected exit");

  munmap(run, run_size);
  munmap(memory, 0x10000);
  close(vcpu);
  close(vm);
  close(memory_fd);
  close(kvm);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  for (uint64_t count = number(argv[2]); count > 0; count--) live(argv[1]);
  return 0;
}
