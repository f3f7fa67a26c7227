// Talks to a device through memory: the host has mapped no memory at DICE, so that every access there is an MMIO
// exit.
//
// The device's registers:  +0 (32 bits, write)  the seed      +4 (8 bits, read)  throws the dice
#include "shared/ports.h"

#define DICE_SEGMENT 0xd000 // real mode: segment * 16 = 0xd0000
#define DICE_SEED 0
#define DICE_THROW 4

.section .start, "ax"
.code16
.globl _start
_start:
    mov $DICE_SEGMENT, %ax
    mov %ax, %es
    movl $2026, %es:DICE_SEED
    mov $10, %cx
1:  mov %es:DICE_THROW, %al // the exit happens inside this instruction; the host supplies al
    add $'0', %al
    out %al, $PORT_CONSOLE
    mov $' ', %al
    out %al, $PORT_CONSOLE
    loop 1b
    hlt
.section .note.GNU-stack, "", @progbits
