// The local APIC: each CPU sees its own at the same address. It is the kernel's (KVM_CREATE_IRQCHIP) and causes no exit.
#pragma once
#include <stdint.h>

#define APIC 0xfee00000ul
#define APIC_ID 0x20
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ICR_LOW 0x300   // writing here sends
#define APIC_ICR_HIGH 0x310  // to whom

static inline uint32_t apic_read(unsigned offset) { return *(volatile uint32_t*)(APIC + offset); }
static inline void apic_write(unsigned offset, uint32_t value) { *(volatile uint32_t*)(APIC + offset) = value; }
