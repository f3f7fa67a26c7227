// The real-time clock and its battery-backed memory (Motorola MC146818A data sheet; memory bytes as PC firmware uses them).

/** Port 0x70, write: the register that port 0x71 accesses; bit 7 masks the NMI. */
export const INDEX = 0
export const DATA = 1
export const RTC_LENGTH = 2
export const INDEX_NMI_MASKED = 1 << 7
export const INDEX_MASK = 0x7f

export const SECONDS = 0x00
export const SECONDS_ALARM = 0x01
export const MINUTES = 0x02
export const MINUTES_ALARM = 0x03
export const HOURS = 0x04
export const HOURS_ALARM = 0x05
export const WEEKDAY = 0x06
export const DAY = 0x07
export const MONTH = 0x08
export const YEAR = 0x09
export const REGISTER_A = 0x0a
export const REGISTER_B = 0x0b
export const REGISTER_C = 0x0c
export const REGISTER_D = 0x0d
export const CENTURY = 0x32

/** What an update changes. */
export const TIME: readonly number[] = [SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, CENTURY]
/** What guests read together, and what changes only in an update or when the guest writes. */
export const STABLE: readonly number[] = [...TIME, REGISTER_A, REGISTER_B, REGISTER_D]

export const A_UPDATE_IN_PROGRESS = 1 << 7
export const A_RATE = 0x0f
/** The 32.768 kHz crystal, and 1024 Hz for the periodic interrupt. */
export const A_DEFAULT = 0x26

export const B_24_HOURS = 1 << 1
/** Numbers are binary, not BCD. */
export const B_BINARY = 1 << 2
export const B_SQUARE_WAVE = 1 << 3
export const B_UPDATE_INTERRUPT = 1 << 4
export const B_ALARM_INTERRUPT = 1 << 5
export const B_PERIODIC_INTERRUPT = 1 << 6
/** The clock stands while the guest sets it. */
export const B_SET = 1 << 7

/** What a reset clears: the enabling bits, and that of the square wave. */
export const B_RESET = B_UPDATE_INTERRUPT | B_ALARM_INTERRUPT | B_PERIODIC_INTERRUPT | B_SQUARE_WAVE

export const C_UPDATE = 1 << 4
export const C_ALARM = 1 << 5
export const C_PERIODIC = 1 << 6
export const C_INTERRUPT = 1 << 7
/** The flags, which have the places of their enabling bits in B. */
export const FLAGS = C_UPDATE | C_ALARM | C_PERIODIC

/** The battery is good. */
export const D_VALID = 1 << 7

/** An alarm register with both upper bits set matches any time. */
export const ALARM_ANY = 0xc0
export const HOURS_PM = 1 << 7

/** What firmware does after a reset; the guest writes it. */
export const SHUTDOWN = 0x0f
export const EQUIPMENT = 0x14
/** Memory below 640 KiB, in KiB. */
export const BASE_MEMORY = 0x15
/** Memory from 1 MiB on, in KiB, up to 64 MiB; twice. */
export const EXTENDED_MEMORY = 0x17
export const EXTENDED_MEMORY_COPY = 0x30
/** Memory from 16 MiB to 4 GiB, in units of 64 KiB. */
export const MEMORY_ABOVE_16M = 0x34
/** Memory from 4 GiB on, in units of 64 KiB, three bytes. */
export const MEMORY_ABOVE_4G = 0x5b
/** How many CPUs there are beside the first. */
export const OTHER_CPUS = 0x5f
export const CMOS_SIZE = 128
