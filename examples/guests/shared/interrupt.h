// What a 64-bit guest needs to take interrupts: gates in an IDT, and the two 8259 PICs.
#pragma once
#include "guest.h"

#define CODE_SEGMENT 0x10      // the 64-bit code segment of start64.S
#define GATE_INTERRUPT 0x8e00  // present, ring 0, 64-bit interrupt gate (clears IF)

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1
#define PIC_INIT 0x11  // ICW1: start, cascaded, ICW4 follows
#define PIC_8086 0x01  // ICW4
#define PIC_EOI 0x20

// Vectors 0 to 31 belong to the CPU's exceptions, so the PICs' sixteen lines are moved behind them.
#define IRQ_VECTOR(irq) (0x20 + (irq))

struct interrupt_frame;

static struct gate {
  uint16_t offset_low, segment, flags, offset_middle;
  uint32_t offset_high, zero;
} idt[256];

static inline void set_gate(unsigned vector, void* handler, uint16_t flags) {
  uint64_t address = (uint64_t)handler;
  idt[vector] = (struct gate){address, CODE_SEGMENT, flags, address >> 16, address >> 32, 0};
}

static inline void load_idt(void) {
  struct __attribute__((packed)) {
    uint16_t limit;
    uint64_t base;
  } pointer = {sizeof idt - 1, (uint64_t)idt};
  asm volatile("lidt %0" : : "m"(pointer));
}

// Starts both PICs with every line masked but `irq` (0 to 7).
static inline void unmask_irq(unsigned irq) {
  out8(PIC1_COMMAND, PIC_INIT);
  out8(PIC1_DATA, IRQ_VECTOR(0));
  out8(PIC1_DATA, 1 << 2);  // the second PIC hangs on line 2
  out8(PIC1_DATA, PIC_8086);
  out8(PIC2_COMMAND, PIC_INIT);
  out8(PIC2_DATA, IRQ_VECTOR(8));
  out8(PIC2_DATA, 2);
  out8(PIC2_DATA, PIC_8086);
  out8(PIC1_DATA, ~(1 << irq));
  out8(PIC2_DATA, 0xff);
}

static inline void end_of_interrupt(void) { out8(PIC1_COMMAND, PIC_EOI); }
