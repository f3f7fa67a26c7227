// The local APIC (Intel SDM vol. 3A, 10.4 and 10.5), and what an I/O APIC's redirection entry shares with its local vector
// table (82093AA data sheet, 3.2.4).

export const LOCAL_APIC_ADDRESS = 0xfee0_0000
export const IO_APIC_ADDRESS = 0xfec0_0000

// Registers of a local APIC: offsets in its page.
export const APIC_TASK_PRIORITY = 0x80
export const APIC_SPURIOUS_VECTOR = 0xf0
export const APIC_IN_SERVICE = 0x100
export const APIC_REQUESTED = 0x200
export const APIC_LVT_TIMER = 0x320
export const APIC_LVT0 = 0x350
export const APIC_LVT1 = 0x360
export const APIC_INITIAL_COUNT = 0x380
export const APIC_CURRENT_COUNT = 0x390

// An entry of the local vector table, and of the I/O APIC's redirection table.
export const VECTOR_MASK = 0xff
export const DELIVERY_SHIFT = 8
export const DELIVERY_MASK = 7
export const DELIVER_SMI = 2
export const DELIVER_NMI = 4
export const DELIVER_INIT = 5
export const DELIVER_EXTINT = 7
export const LEVEL_TRIGGERED = 1 << 15
export const MASKED = 1 << 16
