// handed-exits GUEST SLICES EXITS VCPUS WAIT: each vCPU has a thread, as in the library, and hands every exit to the main
// thread, which answers it and sleeps when there is none: the floor for that, without JavaScript.
// WAIT: how a vCPU's thread waits for its answer: 'sleep', on a futex, or 'yield' the CPU to whoever wants it.
// Prints how many nanoseconds each slice of EXITS exits of each vCPU took.
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "vm.h"

#define WARM_UP 1000
#define MAX_VCPUS 2

struct seat {
  _Alignas(64) _Atomic uint32_t turn;  // 1: the main thread's
  int vcpu;
  uint64_t served;
};

static struct seat seats[MAX_VCPUS];
_Alignas(64) static _Atomic uint32_t asleep;  // the main thread
static bool yields;

static void futex(_Atomic uint32_t* word, int operation, uint32_t value) {
  syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void* run(void* argument) {
  struct seat* seat = argument;
  for (;;) {
    check(ioctl(seat->vcpu, KVM_RUN, 0), "KVM_RUN");
    seat->turn = 1;
    if (asleep && atomic_exchange(&asleep, 0)) futex(&asleep, FUTEX_WAKE, 1);
    while (seat->turn == 1) {
      if (yields)
        sched_yield();
      else
        futex(&seat->turn, FUTEX_WAIT, 1);
    }
  }
  return NULL;
}

static bool serve(int vcpus) {
  bool found = false;
  for (int index = 0; index < vcpus; index++) {
    struct seat* seat = &seats[index];
    if (seat->turn != 1) continue;
    found = true;
    seat->served++;
    seat->turn = 0;
    if (!yields) futex(&seat->turn, FUTEX_WAKE, 1);
  }
  return found;
}

static void serve_until(int vcpus, uint64_t total) {
  for (;;) {
    uint64_t served = 0;
    for (int index = 0; index < vcpus; index++) served += seats[index].served;
    if (served >= total) return;
    if (serve(vcpus)) continue;
    asleep = 1;
    if (serve(vcpus))
      asleep = 0;
    else
      while (asleep) futex(&asleep, FUTEX_WAIT, 1);
  }
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const uint64_t slices = number(argv[2]), exits = number(argv[3]);
  const int vcpus = (int)number(argv[4]);
  if (vcpus < 1 || vcpus > MAX_VCPUS) return 2;
  yields = strcmp(argv[5], "yield") == 0;
  const int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
  const int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  int memory_fd;
  uint8_t* memory = add_memory(vm, 0x10000, &memory_fd);
  const int guest = check(open(argv[1], O_RDONLY), argv[1]);
  check((int)read(guest, memory + LOAD_ADDRESS, 0x1000), argv[1]);
  for (int index = 0; index < vcpus; index++) {
    seats[index].vcpu = index == 0 ? create_vcpu(vm) : check(ioctl(vm, KVM_CREATE_VCPU, index), "KVM_CREATE_VCPU");
    set_entry(seats[index].vcpu);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, &seats[index]) != 0) fail("pthread_create");
  }
  uint64_t total = WARM_UP;
  serve_until(vcpus, total);
  for (uint64_t slice = 0; slice < slices; slice++) {
    const uint64_t start = nanoseconds();
    serve_until(vcpus, total += exits * (uint64_t)vcpus);
    print_nanoseconds(nanoseconds() - start);
  }
  exit(0);
}
