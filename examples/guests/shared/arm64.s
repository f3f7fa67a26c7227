// What the arm64 guests share: where things are, as the hosts in examples/arm64-*.ts have it, and two macros.

.equ UART, 0x09000000 // a byte that is written here is printed
.equ GIC_DISTRIBUTOR, 0x08000000
.equ GIC_REDISTRIBUTOR, 0x080a0000

// Functions of PSCI, the Power State Coordination Interface: KVM's firmware, called by `hvc`.
.equ PSCI_CPU_OFF, 0x84000002
.equ PSCI_CPU_ON, 0xc4000003
.equ PSCI_SYSTEM_OFF, 0x84000008

// Calls the firmware. What it wants to know is in x1 to x3.
.macro psci function
    mov w0, #(\function & 0xffff)
    movk w0, #(\function >> 16), lsl 16
    hvc #0
.endm

// Prints the text at a label. Changes x0 to x2.
.macro print label
    mov x0, #UART
    adr x1, \label
8:  ldrb w2, [x1], #1
    cbz w2, 9f
    strb w2, [x0]
    b 8b
9:
.endm
