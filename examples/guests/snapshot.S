// Counts, with one half of its state in a register and the other half in memory. After each step it halts,
// and the host may go on, stop, or put everything back as it was.
#include "shared/ports.h"

.section .start, "ax"
.code16
.globl _start
_start:
    mov $'1', %bl // the digit lives in a register
1:  mov %bl, %al
    out %al, $PORT_CONSOLE
    mov letter, %al // the letter lives in memory
    out %al, $PORT_CONSOLE
    inc %bl
    incb letter
    hlt
    jmp 1b

letter: .byte 'a'
.section .note.GNU-stack, "", @progbits
