// ACPI fixed hardware (ACPI specification 6.5, section 4.8), in one block of ports. The FADT says where each register is.

/** PM1 status, 16 bits; written ones clear. The enable register follows: together the PM1a event block. */
export const PM1_STATUS = 0x00
export const PM1_ENABLE = 0x02
export const PM1_EVENT_LENGTH = 4
/** PM1a control block, 16 bits. */
export const PM1_CONTROL = 0x04
export const PM1_CONTROL_LENGTH = 2
/** Power management timer, 32 bits. */
export const PM_TIMER = 0x08
export const PM_TIMER_LENGTH = 4
/** Reset register, 8 bits. */
export const RESET = 0x0c
/** General-purpose event block 0: two bytes of status and two of enable bits. There are no events. */
export const GPE0 = 0x10
export const GPE0_LENGTH = 4
export const ACPI_PM_LENGTH = 0x14

/** What resets the machine when it is written to the reset register (FADT.RESET_VALUE). */
export const RESET_VALUE = 0x01
/** SLP_TYP of the soft-off state, for the DSDT's `_S5`. */
export const SLEEP_TYPE_S5 = 5
/** Suspend to RAM. */
export const SLEEP_TYPE_S3 = 1

export const TIMER_STATUS = 1 << 0
export const POWER_BUTTON_STATUS = 1 << 8
export const SLEEP_BUTTON_STATUS = 1 << 9
/** Timer, global lock, power button, sleep button, real-time clock. */
export const PM1_ENABLE_MASK = 0x0721

/** The machine is always in ACPI mode: there is no SMI command to leave it. */
export const SCI_ENABLE = 1 << 0
export const SLEEP_TYPE_SHIFT = 10
export const SLEEP_TYPE_MASK = 7
export const SLEEP_ENABLE = 1 << 13
/** Bus master reload, and the sleep type. Global lock release and sleep enable read as zero. */
export const PM1_CONTROL_KEPT = 0x1c02

export const PM_TIMER_HZ = 3_579_545n
