// Five interrupts of the CPU's own timer, through the kernel's GICv3.
.include "shared/arm64.s"

.equ GICD_CTLR, GIC_DISTRIBUTOR
.equ GICD_ENABLE_GROUP_1, 1 << 1
.equ GICR_SGI, GIC_REDISTRIBUTOR + 0x10000 // the frame of the CPU's private interrupts
.equ IGROUPR0, 0x80
.equ ISENABLER0, 0x100

.equ VIRTUAL_TIMER, 27 // the private interrupt that every arm64 machine gives it
.equ TICKS, 5
.equ TICKS_PER_SECOND, 100

.globl _start
_start:
    // Where exceptions go.
    adr x0, vectors
    msr vbar_el1, x0

    // The CPU's side of the GIC: any priority, interrupts of group 1.
    mov x0, #0xff
    msr icc_pmr_el1, x0
    mov x0, #1
    msr icc_igrpen1_el1, x0
    isb

    // The GIC's own side. Interrupts below 32 are private, and each CPU's redistributor has them.
    mov x0, #(GICD_CTLR & 0xffff0000)
    mov w1, #GICD_ENABLE_GROUP_1
    str w1, [x0]
    mov x0, #(GICR_SGI & 0xffff0000)
    mov w1, #(1 << VIRTUAL_TIMER)
    str w1, [x0, #IGROUPR0]
    str w1, [x0, #ISENABLER0]

    mov w20, #0 // ticks so far
    bl set_timer
    mov x0, #1 // enabled, not masked
    msr cntv_ctl_el0, x0
    msr daifclr, #2 // interrupts can come

1:  wfi // the vCPU sleeps in the kernel
    b 1b

// The timer fires so much later. Changes x0 and x1.
set_timer:
    mrs x0, cntfrq_el0
    mov x1, #TICKS_PER_SECOND
    udiv x0, x0, x1
    msr cntv_tval_el0, x0
    ret

// Each kind of exception has 128 bytes of code; there is one kind here.
.balign 2048
vectors:
.org vectors + 0x280 // an interrupt, taken at EL1
    mrs x21, icc_iar1_el1 // which one? it is active now
    cmp w21, #VIRTUAL_TIMER
    b.ne 1f
    add w20, w20, #1
    bl set_timer // in the future again, so the timer's line falls
    print tick
    mov x0, #UART
    add w2, w20, #'0'
    strb w2, [x0]
    mov w2, #'\n'
    strb w2, [x0]
    cmp w20, #TICKS
    b.eq 2f
1:  msr icc_eoir1_el1, x21 // it is done with
    eret
2:  psci PSCI_SYSTEM_OFF

tick: .asciz "tick "
