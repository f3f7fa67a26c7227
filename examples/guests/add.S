// Adds the two numbers that the host left in registers, and prints the one-digit sum.
// (After the example in LWN's "Using the KVM API", 2015.)
#include "shared/ports.h"

.section .start, "ax"
.code16
.globl _start
_start:
    add %bl, %al // the host set rax and rbx before the first instruction ran
    add $'0', %al
    out %al, $PORT_CONSOLE
    mov $'\n', %al
    out %al, $PORT_CONSOLE
    hlt
.section .note.GNU-stack, "", @progbits
