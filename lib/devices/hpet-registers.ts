// The high precision event timers (IA-PC HPET specification 1.0a, chapter 2). All registers are 64 bits wide.

export const HPET_ADDRESS = 0xfed0_0000
export const HPET_LENGTH = 0x400

/** General capabilities and identification. */
export const CAPABILITIES = 0x000
/** General configuration. */
export const CONFIGURATION = 0x010
/** General interrupt status: a bit for each level-triggered timer; written ones clear. */
export const INTERRUPT_STATUS = 0x020
export const MAIN_COUNTER = 0x0f0
/** Timer 0's; each further one's are {@link TIMER_STRIDE} higher. */
export const TIMER_CONFIGURATION = 0x100
export const TIMER_COMPARATOR = 0x108
export const TIMER_STRIDE = 0x20

/** 100 MHz, as others have it: a tick in femtoseconds, and in nanoseconds. */
export const FEMTOSECONDS = 10_000_000n
export const TICK_NS = 10n
export const TIMERS = 3
/** Intel's, by custom. */
const VENDOR = 0x8086n
const REVISION = 1n
const COUNTER_HAS_64_BITS = 1n << 13n
const LEGACY_CAPABLE = 1n << 15n

/** What the capabilities say; their lower half is also the event timer block id of the ACPI table. */
export const capabilities = (legacy: boolean): bigint =>
  REVISION |
  (BigInt(TIMERS - 1) << 8n) |
  COUNTER_HAS_64_BITS |
  (legacy ? LEGACY_CAPABLE : 0n) |
  (VENDOR << 16n) |
  (FEMTOSECONDS << 32n)

export const ENABLED = 1 << 0
export const LEGACY = 1 << 1

// A timer's configuration; its upper half says to which lines it can be routed.
export const T_LEVEL = 1 << 1
export const T_INTERRUPTS = 1 << 2
export const T_PERIODIC = 1 << 3
const T_PERIODIC_CAPABLE = 1 << 4
const T_HAS_64_BITS = 1 << 5
/** The next write of the comparator sets it, and not the period alone. */
export const T_SETS_VALUE = 1 << 6
export const T_32_BITS = 1 << 8
export const T_ROUTE_SHIFT = 9
export const T_ROUTE = 0x1f << T_ROUTE_SHIFT

export const T_CAPABILITIES = T_PERIODIC_CAPABLE | T_HAS_64_BITS
export const T_KEPT = T_LEVEL | T_INTERRUPTS | T_PERIODIC | T_SETS_VALUE | T_32_BITS | T_ROUTE
/** The shortest time in which it can be asked to interrupt again, for the ACPI table: 0.1 ms in ticks. */
export const MINIMUM_TICK = 10_000
