// The two ends of a system call: the program in ring 3 that makes it, and the entry in ring 0 that takes it (see
// user-mode.c).
#include "user-mode.h"

// The program. The kernel copies it to a page that ring 3 may use, so it uses no absolute addresses of its own image.
.globl program, program_end
program:
    lea text(%rip), %rdi
    mov $SYSTEM_CALL_PRINT, %eax
    int $SYSTEM_CALL_VECTOR

    mov %cs, %edi // the low two bits of cs are the ring we run in
    and $3, %edi
    mov $SYSTEM_CALL_PRINT_RING, %eax
    int $SYSTEM_CALL_VECTOR

    cli // not ours to do: the CPU refuses it with a general protection fault
text: .asciz "program: hello, by system call\n"
program_end:

// Where the gate leads. The CPU has switched to the stack that the TSS names, and has pushed ss, rsp, rflags, cs
// and rip there. The C function may change the registers saved here, and the program expects them unchanged.
.globl system_call_entry
system_call_entry:
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    mov %rdi, %rsi // system_call(number, argument)
    mov %rax, %rdi
    call system_call
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    iretq

// enter_user(rip, rsp): nobody can call ring 3; one returns to it, as if from an interrupt.
.globl enter_user
enter_user:
    push $USER_DATA
    push %rsi
    push $RFLAGS_FIXED
    push $USER_CODE
    push %rdi
    iretq
.section .note.GNU-stack, "", @progbits
