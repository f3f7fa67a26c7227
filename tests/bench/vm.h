// What the C programs of the benchmarks share. They make the calls that the library makes, and nothing else.
#pragma once

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LOAD_ADDRESS 0x1000u
// The library's defaults (lib/kvm/vm.ts).
#define IDENTITY_MAP_ADDRESS 0xfffbc000ul
#define TSS_ADDRESS 0xfffbd000ul

static inline void fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static inline int check(int result, const char* what) {
  if (result >= 0) return result;
  perror(what);
  exit(1);
}

static inline void* check_map(void* address, const char* what) {
  if (address != MAP_FAILED) return address;
  perror(what);
  exit(1);
}

static inline uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void print_nanoseconds(uint64_t figure) { printf("%llu\n", (unsigned long long)figure); }

static inline uint64_t number(const char* text) { return strtoull(text, NULL, 10); }

// Memory at guest physical address 0, as a memfd.
static inline uint8_t* add_memory(int vm, size_t size, int* fd) {
  *fd = check(memfd_create("guest", MFD_CLOEXEC), "memfd_create");
  check(ftruncate(*fd, (off_t)size), "ftruncate");
  uint8_t* memory = (uint8_t*)check_map(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0), "mmap");
  struct kvm_userspace_memory_region region = {.memory_size = size, .userspace_addr = (uintptr_t)memory};
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  return memory;
}

static inline int create_vcpu(int vm) {
#ifdef __x86_64__
  uint64_t identity_map = IDENTITY_MAP_ADDRESS;
  check(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map), "KVM_SET_IDENTITY_MAP_ADDR");
  check(ioctl(vm, KVM_SET_TSS_ADDR, TSS_ADDRESS), "KVM_SET_TSS_ADDR");
#endif
  return check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
}

static inline struct kvm_run* map_run(int vcpu, size_t size) {
  return (struct kvm_run*)check_map(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0), "mmap kvm_run");
}

#ifdef __x86_64__
// Real mode, at the guest's first byte.
static inline void set_entry(int vcpu) {
  struct kvm_sregs sregs;
  check(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
  sregs.cs.base = 0;
  sregs.cs.selector = 0;
  check(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
  struct kvm_regs regs = {.rip = LOAD_ADDRESS, .rflags = 2};
  check(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}
#endif
