// A kernel of one page that runs a program in ring 3, answers its system calls, and stops it when it misbehaves.
//
// Ring 3 needs four things: segments with DPL 3, pages with the user bit, a TSS that names the stack for the way
// back into ring 0, and a gate that ring 3 may use.
#include "user-mode.h"

#include "shared/interrupt.h"

#define TWO_MIB 0x200000ul
#define PROGRAM_ADDRESS TWO_MIB  // the second large page; the kernel lives in the first
#define PTE_USER_PAGE 0x87       // present, writable, user, large
#define GATE_DPL_3 (3 << 13)
#define VECTOR_GENERAL_PROTECTION 13

extern uint64_t page_directories[];    // start64.S
extern char program[], program_end[];  // user-mode.S
extern void system_call_entry(void);
extern void enter_user(uint64_t rip, uint64_t rsp) __attribute__((noreturn));

static uint8_t kernel_stack[4096];

static struct __attribute__((packed)) {
  uint32_t reserved;
  uint64_t rsp0;  // the stack for entries from ring 3
  uint8_t unused[90];
  uint16_t io_map;  // at the end of the TSS: no port is open to ring 3
} tss;

static uint64_t gdt[] = {
    0,
    0,                   // 0x08: not used
    0x00af9b000000ffff,  // 0x10: 64-bit code, ring 0, as in start64.S
    0x00cff3000000ffff,  // 0x18: data, ring 3
    0x00affb000000ffff,  // 0x20: 64-bit code, ring 3
    0,
    0,  // 0x28: the TSS, two entries long, filled in below
};

static void load_segments(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof gdt - 1, (uint64_t)gdt};
  uint64_t base = (uint64_t)&tss;
  tss.rsp0 = (uint64_t)(kernel_stack + sizeof kernel_stack);
  tss.io_map = sizeof tss;
  gdt[TSS_SELECTOR / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
  gdt[TSS_SELECTOR / 8 + 1] = base >> 32;
  asm volatile("lgdt %0; ltr %1" : : "m"(pointer), "r"((uint16_t)TSS_SELECTOR));
}

void system_call(uint64_t number, uint64_t argument) {
  if (number == SYSTEM_CALL_PRINT) {
    print((const char*)argument);  // a real kernel would check the pointer first
  } else if (number == SYSTEM_CALL_PRINT_RING) {
    print("kernel: the program runs in ring ");
    print_number(argument);
    print("\n");
  }
}

struct interrupt_frame {
  uint64_t rip, cs, rflags, rsp, ss;
};

__attribute__((interrupt)) static void general_protection(struct interrupt_frame* frame, uint64_t error_code) {
  (void)error_code;
  print("kernel: general protection fault at program+");
  print_number(frame->rip - PROGRAM_ADDRESS);
  print(" in ring ");
  print_number(frame->cs & 3);
  print(": program stopped\n");
  out8(PORT_DONE, 0);
}

int main(void) {
  load_segments();
  load_idt();
  set_gate(SYSTEM_CALL_VECTOR, system_call_entry, GATE_INTERRUPT | GATE_DPL_3);
  set_gate(VECTOR_GENERAL_PROTECTION, general_protection, GATE_INTERRUPT);

  page_directories[PROGRAM_ADDRESS / TWO_MIB] = PROGRAM_ADDRESS | PTE_USER_PAGE;
  for (char *from = program, *to = (char*)PROGRAM_ADDRESS; from < program_end;) *to++ = *from++;
  enter_user(PROGRAM_ADDRESS, PROGRAM_ADDRESS + TWO_MIB);
}
