// A guest that dies. It writes through a pointer that leads nowhere, which is a page fault; but it never loaded an
// IDT, so there is no handler. Not finding the handler is a double fault; there is no handler for that one either:
// a triple fault, and the CPU shuts down.
#include "shared/ports.h"

#define SECONDS_A_DAY 86400
#define WILD_POINTER 0x4000000000 // 256 GiB; start64.S maps 4 GiB

.code64
.globl main
main: // entered from start64.S
    lea text(%rip), %rsi
1:  lodsb
    test %al, %al
    jz 2f
    out %al, $PORT_CONSOLE
    jmp 1b

2:  mov $SECONDS_A_DAY, %eax
    mov $WILD_POINTER, %rdi
    mov %rax, (%rdi) // here
    hlt

text: .asciz "guest: all is well\n"
.section .note.GNU-stack, "", @progbits
