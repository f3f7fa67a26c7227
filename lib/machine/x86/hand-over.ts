import type { EntryState } from '../../arch/x86/registers.js'
import { loadBiosDataArea } from '../../platform/bios-data-area.js'
import { levelTriggeredIsaLines, PIC_INPUTS } from '../../platform/interrupt-lines.js'
import type { PlacedHardware } from '../../platform/node.js'
import type { Placed } from '../../memory/placed.js'
import type { Vm } from '../../kvm/vm.js'

// The i8254 (Intel 8254 data sheet, "Control word format"), as KVM holds it.
const LOW_BYTE = 1
const BOTH_BYTES = 3
const RATE = 2
const SQUARE_WAVE = 3
const channel = (mode: number, access: number, count: number, gate: number) => ({
  ...{ count, latched_count: 0, count_latched: 0, status_latched: 0, status: 0, write_latch: 0, bcd: 0 },
  ...{ mode, gate, rw_mode: access, read_state: access, write_state: access },
})
/** 18.2 Hz for the time of day, the refresh of memory, and the speaker's tone, which is not heard. */
const TIMER_CHANNELS = [
  channel(SQUARE_WAVE, BOTH_BYTES, 0x1_0000, 1),
  channel(RATE, LOW_BYTE, 18, 1),
  channel(SQUARE_WAVE, BOTH_BYTES, 1331, 0),
]

const ALL_MASKED = 0xff
const MASTER_VECTORS = 0x08
const SLAVE_VECTORS = 0x70

/** Whether a guest starts as the processor does, at the reset vector: then it is firmware, and does all this itself. */
export function startsAtReset({ regs, sregs }: EntryState): boolean {
  return regs.rip === 0xfff0n && sregs.cs.base === 0xffff_0000n
}

/**
 * Leaves the machine as firmware leaves it for an operating system, beside what the boot protocols ask: docs/boot.md has the
 * list. What was placed where the BIOS data area is stays.
 */
export function handOver(
  vm: Vm,
  nodes: readonly PlacedHardware[],
  placed: readonly Placed[],
  timer: boolean,
): Placed[] {
  if (timer) vm.setPit2({ channels: TIMER_CHANNELS })
  const levels = levelTriggeredIsaLines(nodes)
  vm.setIrqchip('pic-master', { irq_base: MASTER_VECTORS, imr: ALL_MASKED, init4: 1, elcr: levels & 0xff })
  vm.setIrqchip('pic-slave', { irq_base: SLAVE_VECTORS, imr: ALL_MASKED, init4: 1, elcr: levels >> PIC_INPUTS })
  return loadBiosDataArea(vm.memory.dma, { nodes, placed })
}
