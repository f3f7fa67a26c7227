// 32-bit protected mode with flat segments: one address space of 4 GiB, no paging.
// The host has set CR0.PE and the segment registers already, so that the very first instruction here is a 32-bit one.
//
// To show where we are, the guest uses memory at 2 MiB, which real mode cannot address.
#include "shared/ports.h"

#define TWO_MIB 0x200000

.section .start, "ax"
.code32
.globl _start
_start:
    mov $text, %esi
    call print
    movl $0xcafef00d, TWO_MIB // the host looks here afterwards, too
    mov TWO_MIB, %ebx
    mov $8, %ecx // eight hexadecimal digits, the highest first
1:  rol $4, %ebx
    mov %ebx, %eax
    and $0xf, %eax
    mov digits(%eax), %al
    out %al, $PORT_CONSOLE
    loop 1b
    mov $'\n', %al
    out %al, $PORT_CONSOLE
    hlt

print: // prints the text at esi
    lodsb
    test %al, %al
    jz 2f
    out %al, $PORT_CONSOLE
    jmp print
2:  ret

text: .asciz "32 bits at 2 MiB: 0x"
digits: .ascii "0123456789abcdef"
.section .note.GNU-stack, "", @progbits
