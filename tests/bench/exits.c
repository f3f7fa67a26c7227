// exits GUEST PORT SLICES EXITS: runs the guest for SLICES times EXITS port exits.
// Prints how many nanoseconds each slice took.
#include "vm.h"

#define WARM_UP 1000

static uint8_t seen;

static void run_exits(int vcpu, const struct kvm_run* run, uint64_t count, uint64_t port) {
  for (uint64_t done = 0; done < count; done++) {
    check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
    switch (run->exit_reason) {
      case KVM_EXIT_IO:
        if (run->io.direction != KVM_EXIT_IO_OUT || run->io.port != port) fail("unexpected access");
        if (((const uint8_t*)run)[run->io.data_offset] != ++seen) fail("a byte is missing");
        break;
      default:
        fail("unexpected exit");
    }
  }
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const uint64_t port = number(argv[2]), slices = number(argv[3]), exits = number(argv[4]);
  const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  int memory_fd;
  uint8_t* memory = add_memory(vm, 0x10000, &memory_fd);
  const int guest = check(open(argv[1], O_RDONLY), argv[1]);
  check((int)read(guest, memory + LOAD_ADDRESS, 0x1000), argv[1]);

  const int vcpu = create_vcpu(vm);
  const struct kvm_run* run = map_run(vcpu, (size_t)check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size"));
  set_entry(vcpu);

  run_exits(vcpu, run, WARM_UP, port);
  for (uint64_t slice = 0; slice < slices; slice++) {
    const uint64_t start = nanoseconds();
    run_exits(vcpu, run, exits, port);
    print_nanoseconds(nanoseconds() - start);
  }
  return 0;
}
