// A driver of a PCI device: it finds the device by its identity, its registers by a base address register, and says where the
// device's interrupt is to go.
#include "shared/apic.h"
#include "shared/interrupt.h"
#include "shared/pci.h"

#define CHECKSUM_ENGINE 0xc3c31234  // device and vendor
#define VECTOR 0x40
#define APIC_ON 0x1ff

struct engine {  // its registers, as in ../pci-device.ts
  uint64_t address;
  uint32_t length, status, checksum;
};

static volatile unsigned interrupts;

__attribute__((interrupt)) static void interrupted(struct interrupt_frame* frame) {
  (void)frame;
  interrupts++;
  apic_write(APIC_EOI, 0);
}

static void wait_for_interrupt(unsigned number) {
  while (interrupts < number) asm volatile("sti; hlt; cli");
}

static void report(const char* when, const volatile struct engine* engine) {
  print("guest: ");
  print(when);
  print(": status ");
  print_number(engine->status);
  print(", interrupts: ");
  print_number(interrupts);
  print("\n");
}

int main(void) {
  static const char text[] = "123456789";
  unsigned slot = find_slot(CHECKSUM_ENGINE);
  if (slot == SLOTS) return 1;
  print("guest: there is a checksum engine in slot ");
  print_number(slot);
  print("\n");

  load_idt();
  set_gate(VECTOR, interrupted, GATE_INTERRUPT);
  apic_write(APIC_SPURIOUS, APIC_ON);
  config_write(slot, COMMAND, COMMAND_MEMORY);
  if (!route_interrupt(slot, APIC, VECTOR)) return 2;  // a write to the local APIC's address: it interrupts this CPU

  volatile struct engine* engine = bar(slot, 0);
  engine->address = (uint64_t)text;
  engine->length = sizeof text - 1;  // starts it
  report("before it is a bus master", engine);

  config_write(slot, COMMAND, COMMAND_MEMORY | COMMAND_MASTER);
  wait_for_interrupt(1);  // it was held back until now
  engine->length = sizeof text - 1;
  wait_for_interrupt(2);
  report("and then", engine);
  print("guest: the checksum of ");
  print(text);
  print(" is 0x");
  print_hex(engine->checksum);
  print("\n");
  return 0;
}
