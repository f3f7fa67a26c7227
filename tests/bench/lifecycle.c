// lifecycle COUNT BYTES: creates and destroys COUNT VMs with one vCPU and, unless BYTES is 0, that much memory.
// Prints how many nanoseconds each took.
#include "vm.h"

static void live(int kvm, size_t run_size, size_t size) {
  const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  int memory_fd = -1;
  uint8_t* memory = NULL;
  if (size != 0) {
    memory = add_memory(vm, size, &memory_fd);
    memory[LOAD_ADDRESS] = 0xf4;
  }
  const int vcpu = create_vcpu(vm);
  struct kvm_run* run = map_run(vcpu, run_size);

  munmap(run, run_size);
  close(vcpu);
  close(vm);
  if (size != 0) {
    munmap(memory, size);
    close(memory_fd);
  }
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const uint64_t count = number(argv[1]), size = number(argv[2]);
  const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const size_t run_size = (size_t)check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  live(kvm, run_size, size);  // warm
  for (uint64_t done = 0; done < count; done++) {
    const uint64_t start = nanoseconds();
    live(kvm, run_size, size);
    print_nanoseconds(nanoseconds() - start);
  }
  return 0;
}
