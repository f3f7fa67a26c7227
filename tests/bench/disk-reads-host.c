// disk-reads-host GUEST PORT DISK SLICES: serves the queue of the guest disk-reads.c from a file: an ioeventfd for the kicks, and
// pread() into the guest's memory. Prints how many nanoseconds each slice took.
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "vm.h"

#define MEMORY 0x1000000
#define DISK 0xd0000000
enum registers {
  MAGIC = 0x00,
  DEVICE_ID = 0x08,
  QUEUE_SIZE = 0x38,
  QUEUE_NOTIFY = 0x50,
  QUEUE_DESCRIPTORS = 0x80,
  QUEUE_AVAILABLE = 0x90,
  QUEUE_USED = 0xa0
};
#define NO_NOTIFY 1
#define SECTOR 512

struct descriptor {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};

static uint8_t* memory;
static int kicks, disk;
static uint32_t registers[0x40];

// The queue's parts, where the guest has put them; and that they are memory, as each address from it.
static void* at(uint64_t address, uint64_t length) {
  if (address > MEMORY || length > MEMORY - address) fail("outside of memory");
  return memory + address;
}

static void* serve(void* unused) {
  uint64_t count;
  check((int)read(kicks, &count, sizeof count), "eventfd");
  const uint32_t size = registers[QUEUE_SIZE / 4];
  const struct descriptor* descriptors = at(registers[QUEUE_DESCRIPTORS / 4], size * sizeof *descriptors);
  const volatile uint16_t* available = at(registers[QUEUE_AVAILABLE / 4], 4 + 2 * size);
  volatile uint16_t* used = at(registers[QUEUE_USED / 4], 4 + 8 * size);
  volatile uint32_t* entries = (volatile uint32_t*)(used + 2);
  uint16_t seen = 0;
  for (;;) {
    used[0] = NO_NOTIFY;
    for (; seen != __atomic_load_n(&available[1], __ATOMIC_ACQUIRE); seen++) {
      const uint16_t head = available[2 + seen % size];
      const struct descriptor* header = &descriptors[head % size];
      const struct descriptor* data = &descriptors[header->next % size];
      const struct descriptor* status = &descriptors[data->next % size];
      const uint64_t sector = *(uint64_t*)at(header->address + 8, 8);
      const ssize_t got = pread(disk, at(data->address, data->length), data->length, (off_t)(sector * SECTOR));
      *(uint8_t*)at(status->address, 1) = got != data->length;
      entries[2 * (seen % size)] = head;
      entries[2 * (seen % size) + 1] = data->length + 1;
      __atomic_store_n(&used[1], (uint16_t)(seen + 1), __ATOMIC_RELEASE);
    }
    used[0] = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (seen == __atomic_load_n(&available[1], __ATOMIC_ACQUIRE))
      check((int)read(kicks, &count, sizeof count), "eventfd");
  }
  return unused;
}

// The guest wants long mode, and a vCPU has no more than its CPUID says.
static void set_cpuid(int kvm, int vcpu) {
  static struct {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[256];
  } cpuid = {.head = {.nent = 256}};
  check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "KVM_GET_SUPPORTED_CPUID");
  check(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2");
}

static void access_register(struct kvm_run* run) {
  const uint64_t offset = run->mmio.phys_addr - DISK;
  if (run->mmio.phys_addr < DISK || offset >= sizeof registers || run->mmio.len != 4) fail("unexpected access");
  if (run->mmio.is_write) {
    __builtin_memcpy(&registers[offset / 4], run->mmio.data, 4);
    return;
  }
  const uint32_t value = offset == MAGIC ? 0x74726976 : offset == DEVICE_ID ? 2 : registers[offset / 4];
  __builtin_memcpy(run->mmio.data, &value, 4);
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const uint64_t port = number(argv[2]), slices = number(argv[4]);
  const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  int memory_fd;
  memory = add_memory(vm, MEMORY, &memory_fd);
  const int guest = check(open(argv[1], O_RDONLY), argv[1]);
  check((int)read(guest, memory + LOAD_ADDRESS, 0x10000), argv[1]);
  disk = check(open(argv[3], O_RDONLY | O_CLOEXEC), argv[3]);
  kicks = check(eventfd(0, EFD_CLOEXEC), "eventfd");
  struct kvm_ioeventfd bell = {
      .fd = kicks, .addr = DISK + QUEUE_NOTIFY, .len = 4, .datamatch = 0, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
  check(ioctl(vm, KVM_IOEVENTFD, &bell), "KVM_IOEVENTFD");

  const int vcpu = create_vcpu(vm);
  struct kvm_run* run = map_run(vcpu, (size_t)check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "mmap size"));
  set_cpuid(kvm, vcpu);
  set_entry(vcpu);
  pthread_t server;
  if (pthread_create(&server, NULL, serve, NULL) != 0) fail("pthread_create");

  // The first slice warms up.
  uint64_t start = 0;
  for (uint64_t slice = 0; slice <= slices;) {
    check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
    if (run->exit_reason == KVM_EXIT_MMIO) {
      access_register(run);
    } else if (run->exit_reason == KVM_EXIT_IO && run->io.port == port) {
      const uint64_t now = nanoseconds();
      if (slice++ > 0) print_nanoseconds(now - start);
      start = now;
    } else {
      fail("unexpected exit");
    }
  }
  fflush(stdout);
  _exit(0);
}
