// How a guest finds its PCI devices, and tells them where to send interrupts. Numbers like 6.8.2 are chapters of the PCI Local Bus
// Specification, 3.0.
#pragma once
#include <stdint.h>

// Configuration mechanism 1 (3.2.2.3.2): one port says which word of which slot, the other one is that word.
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define SLOTS 32

// A function's configuration space (6.1), in bytes.
#define IDENTITY 0x00  // device and vendor
#define COMMAND 0x04
#define COMMAND_MEMORY 2  // the device answers where its registers are
#define COMMAND_MASTER 4  // it may read and write memory, and so send messages
#define BASE_ADDRESS(index) (0x10 + 4 * (index))
#define CAPABILITIES 0x34
#define CAPABILITY_MSIX 0x11
#define MSIX_ENABLE (1u << 31)

static inline void out32(uint16_t port, uint32_t value) { asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint32_t in32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline uint32_t config_read(unsigned slot, unsigned offset) {
  out32(CONFIG_ADDRESS, 1u << 31 | slot << 11 | offset);
  return in32(CONFIG_DATA);
}

static inline void config_write(unsigned slot, unsigned offset, uint32_t value) {
  out32(CONFIG_ADDRESS, 1u << 31 | slot << 11 | offset);
  out32(CONFIG_DATA, value);
}

// Returns SLOTS where there is no such device.
static inline unsigned find_slot(uint32_t identity) {
  unsigned slot = 0;
  while (slot < SLOTS && config_read(slot, IDENTITY) != identity) slot++;
  return slot;
}

// Where registers are that a base address register says: firmware, or here the host, has found a place for them.
static inline volatile void* bar(unsigned slot, unsigned index) {
  return (volatile void*)(uint64_t)(config_read(slot, BASE_ADDRESS(index)) & ~0xfu);
}

// MSI-X (6.8.2): from now on the device's first interrupt is this message. The table is in the BAR that the capability names.
// Returns 0 where the device has no MSI-X.
static inline int route_interrupt(unsigned slot, uint32_t address, uint32_t data) {
  unsigned at = config_read(slot, CAPABILITIES) & 0xff;
  while (at != 0 && (config_read(slot, at) & 0xff) != CAPABILITY_MSIX) at = config_read(slot, at) >> 8 & 0xff;
  if (at == 0) return 0;
  uint32_t table = config_read(slot, at + 4);
  volatile uint32_t* entry = (volatile uint32_t*)bar(slot, table & 7) + (table & ~7u) / sizeof *entry;
  entry[0] = address;
  entry[1] = 0;
  entry[2] = data;
  entry[3] = 0;  // not masked
  config_write(slot, at, config_read(slot, at) | MSIX_ENABLE);
  return 1;
}
