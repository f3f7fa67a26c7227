// Interrupts: an interrupt descriptor table (IDT), the two 8259 interrupt controllers (PICs), and a handler.
//
// The PICs and the local APIC are the kernel's (KVM_CREATE_IRQCHIP): the ports below cause no exit. The guest asks
// a device for something by writing to its doorbell; the device, which is the host, answers by an interrupt.
#include "shared/interrupt.h"

#define PORT_DOORBELL 0x510
#define IRQ 5

static volatile unsigned received;

__attribute__((interrupt)) static void handler(struct interrupt_frame* frame) {
  (void)frame;
  received++;
  print("guest: interrupt ");
  print_number(received);
  print("\n");
  end_of_interrupt();
}

int main(void) {
  load_idt();
  set_gate(IRQ_VECTOR(IRQ), handler, GATE_INTERRUPT);
  unmask_irq(IRQ);

  for (unsigned request = 1; request <= 3; request++) {
    print("guest: ringing the doorbell\n");
    out8(PORT_DOORBELL, request);
    // `sti` takes effect after the next instruction: no interrupt can slip in between the check and the hlt.
    while (received < request) asm volatile("sti; hlt; cli");
  }
  return 0;
}
