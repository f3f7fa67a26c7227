// The guest of the exit benchmark: a loop of three instructions in real mode, one port exit a turn.
#define PORT 0x10 // any that the kernel has no device for; scripts/bench/exits.mjs and exits.c look at it

.code16
.globl _start
_start:
    inc %al
    out %al, $PORT
    jmp _start
.section .note.GNU-stack, "", @progbits
