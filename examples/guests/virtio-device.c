// A driver in user space: the program that uses the device drives it, too, and no system call is on the way.
//
// The kernel here does what Linux does for such a program by UIO or VFIO: it lets ring 3 have the device's registers, and memory
// of which the program knows the physical address, since that is what the device is told. From there on the kernel has nothing
// to do. It is not asked for protection: this driver can have the device write anywhere, as any without an IOMMU can.
#include "shared/virtio.h"

#define DICTIONARY 0xd0000000ul
#define DICTIONARY_DEVICE 0x3f

#define TWO_MIB 0x200000
#define PTE_USER (1 << 2)
#define USER_DATA (0x20 | 3)  // segments of start64.S, as ring 3 names them
#define USER_CODE (0x28 | 3)
#define RFLAGS_PORTS 0x3002  // the ports are ring 3's, too: it prints, and ends; interrupts stay off

extern uint64_t page_directories[];  // start64.S: each entry maps 2 MiB to where they are

static void open_to_user_space(uint64_t address) { page_directories[address / TWO_MIB] |= PTE_USER; }

// The kernel becomes the program: it returns to ring 3 as if it had been interrupted there, just behind the `iretq`.
static inline void go_to_user_space(void) {
  asm volatile(
      "mov %%cr3, %%rax; mov %%rax, %%cr3\n\t"  // the CPU forgets what it knows of page tables
      "mov %%rsp, %%rax\n\t"
      "push %0; push %%rax; push %1; push %2; push $1f; iretq\n"
      "1:"
      :
      : "i"(USER_DATA), "i"(RFLAGS_PORTS), "i"(USER_CODE)
      : "rax", "memory");
}

static volatile struct queue queue;

static void ask(const char* word) {
  static char answer[100];
  uint32_t length = 0;
  while (word[length]) length++;
  describe(&queue, 0, word, length, NEXT);  // what the device reads
  describe(&queue, 1, answer, sizeof answer - 1, WRITE);
  answer[execute(&queue)] = 0;
  print("guest: ");
  print(word);
  print(": ");
  print(answer[0] ? answer : "?");
  print("\n");
}

int main(void) {
  open_to_user_space(0);  // the program, its queue and its stack
  open_to_user_space(DICTIONARY);
  go_to_user_space();

  uint16_t cs;
  asm volatile("mov %%cs, %0" : "=r"(cs));
  if (!start(DICTIONARY, DICTIONARY_DEVICE, 0, &queue, 1)) return 1;
  print("guest: in ring ");
  print_number(cs & 3);
  print(", with a dictionary of ");
  print_number(*reg(DICTIONARY, CONFIG));
  print(" words\n");
  ask("virtual");
  ask("ring");
  ask("real");
  ask("exit");
  return 0;
}
