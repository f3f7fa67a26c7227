// What a C guest has instead of a C library: a port to print through, and little else.
#pragma once
#include <stdint.h>

#include "ports.h"

static inline void out8(uint16_t port, uint8_t value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline void print(const char* text) {
  while (*text) out8(PORT_CONSOLE, *text++);
}

static inline void print_number(uint64_t number) {
  if (number >= 10) print_number(number / 10);
  out8(PORT_CONSOLE, '0' + number % 10);
}

static inline void print_hex(uint32_t number) {
  for (int shift = 28; shift >= 0; shift -= 4) out8(PORT_CONSOLE, "0123456789abcdef"[number >> shift & 0xf]);
}
