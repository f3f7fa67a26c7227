// fork WHAT COUNT BYTES PAGES FOLDER: forks COUNT times a VM with BYTES of memory, one vCPU and the interrupt controllers of a PC: memory is
// mapped copy-on-write, and all of the state is given to KVM. Prints how many nanoseconds each took. WHAT:
//   fork   to the moment at which KVM_RUN could be called
//   first  to the guest's first port access
//   reset  one fork is put back, COUNT times, of which PAGES pages were written: each is copied, and the state given again
//   restore   as first, from a file in FOLDER that is opened each time
//   snapshot  the other way: the state is read, and PAGES pages are written to a file in FOLDER, which is synced and takes the old one's place
#include <string.h>

#include "vm.h"

#define PAGE 4096u
#define MAX_MSRS 512

struct state {
  struct kvm_cpuid2* cpuid;
  struct kvm_sregs sregs;
  struct kvm_regs regs;
  struct kvm_xsave xsave;
  struct kvm_xcrs xcrs;
  struct kvm_debugregs debugregs;
  struct kvm_msrs* msrs;
  struct kvm_lapic_state lapic;
  struct kvm_vcpu_events events;
  struct kvm_mp_state mp_state;
  struct kvm_irqchip irqchips[3];
  struct kvm_pit_state2 pit;
  struct kvm_clock_data clock;
};

struct vm {
  int fd, vcpu;
  struct kvm_run* run;
  uint8_t* memory;
};

static int kvm, image;
static const char* folder;
static size_t run_size, size;
static struct state saved;

static void call(int fd, unsigned long request, void* argument) { check(ioctl(fd, request, argument), "a KVM call"); }

static struct vm create(void) {
  struct vm vm = {.fd = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM")};
  check(ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
  struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
  call(vm.fd, KVM_CREATE_PIT2, &pit);
  vm.memory = (uint8_t*)check_map(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, image, 0), "mmap");
  struct kvm_userspace_memory_region region = {.memory_size = size, .userspace_addr = (uintptr_t)vm.memory};
  call(vm.fd, KVM_SET_USER_MEMORY_REGION, &region);
  vm.vcpu = create_vcpu(vm.fd);
  vm.run = map_run(vm.vcpu, run_size);
  return vm;
}

static void destroy(struct vm vm) {
  munmap(vm.run, run_size);
  close(vm.vcpu);
  close(vm.fd);
  munmap(vm.memory, size);
}

static void* allocate(size_t bytes) {
  void* memory = calloc(1, bytes);
  if (memory == NULL) fail("calloc");
  return memory;
}

static void save(struct vm vm) {
  call(vm.vcpu, KVM_GET_SREGS, &saved.sregs);
  call(vm.vcpu, KVM_GET_REGS, &saved.regs);
  call(vm.vcpu, KVM_GET_XSAVE, &saved.xsave);
  call(vm.vcpu, KVM_GET_XCRS, &saved.xcrs);
  call(vm.vcpu, KVM_GET_DEBUGREGS, &saved.debugregs);
  call(vm.vcpu, KVM_GET_LAPIC, &saved.lapic);
  call(vm.vcpu, KVM_GET_VCPU_EVENTS, &saved.events);
  call(vm.vcpu, KVM_GET_MP_STATE, &saved.mp_state);
  if (saved.msrs != NULL) check(ioctl(vm.vcpu, KVM_GET_MSRS, saved.msrs), "KVM_GET_MSRS");
  for (unsigned chip = 0; chip < 3; chip++) {
    saved.irqchips[chip].chip_id = chip;
    call(vm.fd, KVM_GET_IRQCHIP, &saved.irqchips[chip]);
  }
  call(vm.fd, KVM_GET_PIT2, &saved.pit);
  call(vm.fd, KVM_GET_CLOCK, &saved.clock);
  saved.clock.flags = 0;
}

// What a new machine has, at the guest's entry.
static void save_first(struct vm vm) {
  saved.cpuid = allocate(sizeof *saved.cpuid + 256 * sizeof saved.cpuid->entries[0]);
  saved.cpuid->nent = 256;
  call(kvm, KVM_GET_SUPPORTED_CPUID, saved.cpuid);
  call(vm.vcpu, KVM_SET_CPUID2, saved.cpuid);
  set_entry(vm.vcpu);
  save(vm);
  struct kvm_msr_list* list = allocate(sizeof *list + MAX_MSRS * sizeof list->indices[0]);
  list->nmsrs = MAX_MSRS;
  call(kvm, KVM_GET_MSR_INDEX_LIST, list);
  saved.msrs = allocate(sizeof *saved.msrs + MAX_MSRS * sizeof saved.msrs->entries[0]);
  // Those that can be read and written back: the library finds them in the same way.
  for (unsigned at = 0; at < list->nmsrs; at++) {
    struct {
      struct kvm_msrs head;
      struct kvm_msr_entry entry;
    } one = {.head = {.nmsrs = 1}, .entry = {.index = list->indices[at]}};
    if (ioctl(vm.vcpu, KVM_GET_MSRS, &one) != 1 || ioctl(vm.vcpu, KVM_SET_MSRS, &one) != 1) continue;
    saved.msrs->entries[saved.msrs->nmsrs++] = one.entry;
  }
  free(list);
}

static void restore(struct vm vm) {
  call(vm.vcpu, KVM_SET_CPUID2, saved.cpuid);
  call(vm.vcpu, KVM_SET_SREGS, &saved.sregs);
  call(vm.vcpu, KVM_SET_XSAVE, &saved.xsave);
  call(vm.vcpu, KVM_SET_XCRS, &saved.xcrs);
  call(vm.vcpu, KVM_SET_DEBUGREGS, &saved.debugregs);
  call(vm.vcpu, KVM_SET_MSRS, saved.msrs);
  call(vm.vcpu, KVM_SET_LAPIC, &saved.lapic);
  call(vm.vcpu, KVM_SET_REGS, &saved.regs);
  call(vm.vcpu, KVM_SET_VCPU_EVENTS, &saved.events);
  call(vm.vcpu, KVM_SET_MP_STATE, &saved.mp_state);
  for (unsigned chip = 0; chip < 3; chip++) call(vm.fd, KVM_SET_IRQCHIP, &saved.irqchips[chip]);
  call(vm.fd, KVM_SET_PIT2, &saved.pit);
  call(vm.fd, KVM_SET_CLOCK, &saved.clock);
}

static void run_to_port(struct vm vm) {
  check(ioctl(vm.vcpu, KVM_RUN, 0), "KVM_RUN");
  if (vm.run->exit_reason != KVM_EXIT_IO) fail("the guest did not get to its port");
}

static void forks(uint64_t count, int runs) {
  for (uint64_t done = 0; done < count; done++) {
    const uint64_t start = nanoseconds();
    const struct vm vm = create();
    restore(vm);
    if (runs) run_to_port(vm);
    print_nanoseconds(nanoseconds() - start);
    destroy(vm);
  }
}

static void resets(uint64_t count, uint64_t pages) {
  const uint8_t* original = (const uint8_t*)check_map(mmap(NULL, size, PROT_READ, MAP_SHARED, image, 0), "mmap");
  const struct vm vm = create();
  restore(vm);
  for (uint64_t done = 0; done < count; done++) {
    for (uint64_t page = 1; page <= pages; page++) vm.memory[page * 2 * PAGE] = 1;
    const uint64_t start = nanoseconds();
    for (uint64_t page = 1; page <= pages; page++) {
      memcpy(vm.memory + page * 2 * PAGE, original + page * 2 * PAGE, PAGE);
    }
    restore(vm);
    print_nanoseconds(nanoseconds() - start);
  }
}

static int open_in_folder(const char* name, int flags) {
  char path[4096];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) fail("FOLDER is too long");
  return check(open(path, flags | O_CLOEXEC, 0600), path);
}

static void write_all(int file, const void* bytes, size_t length, off_t at) {
  if (pwrite(file, bytes, length, at) != (ssize_t)length) fail("pwrite");
}

static void snapshots(uint64_t count, uint64_t pages) {
  const struct vm vm = create();
  restore(vm);
  for (uint64_t page = 1; page <= pages; page++) vm.memory[page * 2 * PAGE] = 1;
  const int directory = open_in_folder(".", O_RDONLY | O_DIRECTORY);
  for (uint64_t done = 0; done < count; done++) {
    const uint64_t start = nanoseconds();
    save(vm);
    const int file = open_in_folder("new", O_RDWR | O_CREAT | O_TRUNC);
    check(ftruncate(file, (off_t)size), "ftruncate");
    for (uint64_t page = 1; page <= pages; page++) {
      write_all(file, vm.memory + page * 2 * PAGE, PAGE, (off_t)(page * 2 * PAGE));
    }
    write_all(file, &saved, sizeof saved, (off_t)size);
    check(fsync(file), "fsync");
    close(file);
    check(renameat(directory, "new", directory, "snapshot"), "renameat");
    check(fsync(directory), "fsync");
    print_nanoseconds(nanoseconds() - start);
  }
}

static void restores(uint64_t count) {
  const int file = open_in_folder("memory", O_RDWR | O_CREAT | O_TRUNC);
  check(ftruncate(file, (off_t)size), "ftruncate");
  write_all(file, "\xba\x60\x06\xee\xeb\xfd", 6, LOAD_ADDRESS);
  close(file);
  for (uint64_t done = 0; done < count; done++) {
    const uint64_t start = nanoseconds();
    close(image);
    image = open_in_folder("memory", O_RDONLY);
    const struct vm vm = create();
    restore(vm);
    run_to_port(vm);
    print_nanoseconds(nanoseconds() - start);
    destroy(vm);
  }
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  folder = argv[5];
  const uint64_t count = number(argv[2]), pages = number(argv[4]);
  size = number(argv[3]);
  kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  run_size = (size_t)check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
  image = check(memfd_create("image", MFD_CLOEXEC), "memfd_create");
  check(ftruncate(image, (off_t)size), "ftruncate");
  // mov dx, 0x660; out dx, al; jmp to it
  check((int)pwrite(image, "\xba\x60\x06\xee\xeb\xfd", 6, LOAD_ADDRESS), "pwrite");
  const struct vm first = create();
  save_first(first);
  destroy(first);
  if (strcmp(argv[1], "reset") == 0)
    resets(count, pages);
  else if (strcmp(argv[1], "snapshot") == 0)
    snapshots(count, pages);
  else if (strcmp(argv[1], "restore") == 0)
    restores(count);
  else
    forks(count, strcmp(argv[1], "first") == 0);
  return 0;
}
