// The smallest guest that says something. The CPU is in 16-bit real mode, as after every reset: no paging, no
// protection, addresses are segment * 16 + offset.
//
// `out` to a port that the kernel has no device for ends KVM_RUN with an exit, and the host sees the byte.
#include "shared/ports.h"

.section .start, "ax"
.code16
.globl _start
_start:
    mov $text, %si
1:  lodsb // al = the byte at ds:si, and si moves on
    test %al, %al
    jz 2f
    out %al, $PORT_CONSOLE
    jmp 1b
2:  hlt // nothing left to do: the next exit is "hlt"

text: .asciz "Hello from real mode!\n"
.section .note.GNU-stack, "", @progbits
