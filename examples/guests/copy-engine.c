// Has a device copy memory, and sleeps until the device interrupts.
#include "shared/interrupt.h"

#define ENGINE 0xd0000000
#define IRQ_ENGINE 5
#define DONE 1

struct engine {  // its registers, as in devices/copy-engine.ts
  uint64_t source, destination;
  uint32_t length, status;
};
static volatile struct engine* const engine = (void*)ENGINE;

static volatile unsigned interrupts;
static volatile uint32_t status;

__attribute__((interrupt)) static void interrupted(struct interrupt_frame* frame) {
  (void)frame;
  interrupts++;
  status = engine->status;
  engine->status = status;  // heard: the device lets go of the line
  end_of_interrupt();
}

static uint32_t copy(uint64_t destination, const void* source, uint32_t length) {
  unsigned before = interrupts;
  engine->source = (uint64_t)source;
  engine->destination = destination;
  engine->length = length;  // starts it
  while (interrupts == before) asm volatile("sti; hlt; cli");
  return status;
}

int main(void) {
  static const char text[] = "guest: the device has copied this\n";
  static char copied[sizeof text];
  load_idt();
  set_gate(IRQ_VECTOR(IRQ_ENGINE), interrupted, GATE_INTERRUPT);
  unmask_irq(IRQ_ENGINE);

  if (copy((uint64_t)copied, text, sizeof text) != DONE) return 1;
  print(copied);
  uint32_t answer = copy(1ull << 40, text, sizeof text);
  print("guest: a copy to where there is no memory has status ");
  print_number(answer);
  print("\nguest: interrupts: ");
  print_number(interrupts);
  print("\n");
  return 0;
}
