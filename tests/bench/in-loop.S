// The guest of the latched read: a loop of two instructions in real mode, one port read a turn.
#define PORT 0x10 // scripts/bench/threads.mjs latches it

.code16
.globl _start
_start:
    in $PORT, %al
    jmp _start
.section .note.GNU-stack, "", @progbits
