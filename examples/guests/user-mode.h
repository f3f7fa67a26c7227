#pragma once

// A system call is a software interrupt through a gate that ring 3 may use. Linux took vector 0x80 for it, and
// later the instruction `syscall`; here it is the breakpoint vector, because `int3` works even on a KVM host that
// has no hardware virtualisation and emulates (kvm_pvm), where the other two do not.
#define SYSTEM_CALL_VECTOR 3
#define SYSTEM_CALL_PRINT 1       // rax; rdi: the text
#define SYSTEM_CALL_PRINT_RING 2  // rax; rdi: the ring

// Selectors of the GDT in user-mode.c; the low two bits are the ring that asks.
#define USER_DATA (0x18 | 3)
#define USER_CODE (0x20 | 3)
#define TSS_SELECTOR 0x28

#define RFLAGS_FIXED 2  // bit 1 is always set; interrupts stay off
