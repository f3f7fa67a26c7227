// Euclid's algorithm for the greatest common divisor: what remains of ax / bx takes the place of bx, until nothing
// remains. No input and no output: the host watches the registers, one instruction after the other.

.section .start, "ax"
.code16
.globl _start
_start:
    mov $48, %ax
    mov $18, %bx
1:  xor %dx, %dx
    div %bx // ax = dx:ax / bx, dx = the remainder
    mov %bx, %ax
    mov %dx, %bx
    test %bx, %bx
    jnz 1b
    hlt // the answer is in ax
.section .note.GNU-stack, "", @progbits
