// A timer that ticks: channel 0 of the 8254 PIT, a hundred times a second, on interrupt line 0.
//
// The PIT is the kernel's (KVM_CREATE_PIT2). Between two ticks the CPU sleeps in `hlt`, which costs the host no time.
#include "shared/interrupt.h"

#define PIT_CHANNEL_0 0x40
#define PIT_COMMAND 0x43
#define PIT_RATE_GENERATOR 0x34  // channel 0, low byte then high byte, mode 2: divide and start again
#define PIT_HZ 1193182
#define TICKS_A_SECOND 100
#define DIVISOR (PIT_HZ / TICKS_A_SECOND)
#define IRQ_TIMER 0

static volatile unsigned ticks;

__attribute__((interrupt)) static void tick(struct interrupt_frame* frame) {
  (void)frame;
  ticks++;
  end_of_interrupt();
}

int main(void) {
  load_idt();
  set_gate(IRQ_VECTOR(IRQ_TIMER), tick, GATE_INTERRUPT);
  unmask_irq(IRQ_TIMER);
  out8(PIT_COMMAND, PIT_RATE_GENERATOR);
  out8(PIT_CHANNEL_0, DIVISOR & 0xff);
  out8(PIT_CHANNEL_0, DIVISOR >> 8);

  for (unsigned seen = 0; seen < 5; seen++) {
    while (ticks <= seen) asm volatile("sti; hlt; cli");
    print("tick ");
    print_number(seen + 1);
    print("\n");
  }
  return 0;
}
