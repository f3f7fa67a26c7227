// The smallest arm64 guest that says something. The CPU is at EL1 with its MMU off, as KVM_ARM_VCPU_INIT leaves it: every address is a
// physical one.
//
// arm64 has no ports. Devices are addresses, and a write to one at which there is no memory ends KVM_RUN with an exit.
.include "shared/arm64.s"

.globl _start
_start:
    mov x0, #UART
    adr x1, text
1:  ldrb w2, [x1], #1 // the byte at x1, and x1 moves on
    cbz w2, 2f
    strb w2, [x0]
    b 1b
2:  psci PSCI_SYSTEM_OFF // does not return: the next exit is "system-event"

text: .asciz "Hello from EL1!\n"
