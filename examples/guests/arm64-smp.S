// Two CPUs. The second one is off until the first one asks the firmware to switch it on.
//
// With the MMU off memory is not cached, and each access reaches it in program order; so a flag needs no more than a plain store.
.include "shared/arm64.s"

.globl _start
_start:
    print first
    mov x1, #1 // the CPU, by the affinity in its MPIDR
    adr x2, second_cpu // where it begins
    mov x3, #0x2a // what it finds in x0
    psci PSCI_CPU_ON
    cbnz x0, failed

    adr x1, answer
1:  yield
    ldr x0, [x1]
    cbz x0, 1b
    cmp x0, #0x2b
    b.ne failed
    print heard
    psci PSCI_SYSTEM_OFF

second_cpu:
    add x19, x0, #1
    print second
    adr x1, answer
    str x19, [x1]
    psci PSCI_CPU_OFF

failed:
    print failure
    psci PSCI_SYSTEM_OFF

.balign 8
answer: .quad 0
first: .asciz "CPU 0 switches CPU 1 on\n"
second: .asciz "CPU 1 is here\n"
heard: .asciz "CPU 0 has heard from it\n"
failure: .asciz "something went wrong\n"
