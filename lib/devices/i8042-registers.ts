// The keyboard controller of the PC AT (IBM PC AT technical reference, "keyboard controller"; Intel UPI-41/42 data sheet).
// The chip has one address line: it is the processor's A2, so that its two ports are 0x60 and 0x64.

export const DATA = 0
/** Status (read), command (write). */
export const COMMAND = 4

export const STATUS_OUTPUT_FULL = 1 << 0
export const STATUS_SYSTEM = 1 << 2
/** The last write went to the command port. */
export const STATUS_COMMAND = 1 << 3
/** The keyboard is not locked by a key. */
export const STATUS_UNLOCKED = 1 << 4
export const STATUS_AUX_DATA = 1 << 5

export const CONFIG_KEYBOARD_INTERRUPT = 1 << 0
export const CONFIG_SYSTEM = 1 << 2
export const CONFIG_KEYBOARD_DISABLED = 1 << 4
export const CONFIG_AUX_DISABLED = 1 << 5
export const CONFIG_TRANSLATE = 1 << 6
/** As firmware leaves it for an operating system. */
export const CONFIG_DEFAULT = CONFIG_KEYBOARD_INTERRUPT | CONFIG_SYSTEM | CONFIG_AUX_DISABLED | CONFIG_TRANSLATE

export const READ_RAM = 0x20
export const READ_RAM_LAST = 0x3f
export const WRITE_RAM = 0x60
export const WRITE_RAM_LAST = 0x7f
export const DISABLE_AUX = 0xa7
export const ENABLE_AUX = 0xa8
export const TEST_AUX = 0xa9
export const SELF_TEST = 0xaa
export const TEST_KEYBOARD = 0xab
export const DISABLE_KEYBOARD = 0xad
export const ENABLE_KEYBOARD = 0xae
export const READ_INPUT_PORT = 0xc0
export const READ_OUTPUT_PORT = 0xd0
export const WRITE_OUTPUT_PORT = 0xd1
export const WRITE_KEYBOARD_BUFFER = 0xd2
export const WRITE_AUX_BUFFER = 0xd3
export const WRITE_AUX = 0xd4
export const READ_TEST_INPUTS = 0xe0
/** The low four bits: output port bits that go low for 6 µs where they are 0. */
export const PULSE_OUTPUT_PORT = 0xf0

export const SELF_TEST_PASSED = 0x55
export const TEST_PASSED = 0x00
/** The auxiliary device's clock line is stuck low: there is none. */
export const TEST_AUX_ABSENT = 0x01
export const AUX_NO_ANSWER = 0xfe

export const OUTPUT_PORT_NO_RESET = 1 << 0
export const OUTPUT_PORT_A20 = 1 << 1
export const OUTPUT_PORT_OUTPUT_FULL = 1 << 4
export const OUTPUT_PORT_DEFAULT = 0xcf
/** Bit 7: not locked; bit 5: no manufacturing jumper. */
export const INPUT_PORT = 0xa0

/** The commands whose parameter comes to the data port. */
export const HAS_PARAMETER: readonly number[] = [WRITE_OUTPUT_PORT, WRITE_KEYBOARD_BUFFER, WRITE_AUX_BUFFER, WRITE_AUX]
export const RAM_SIZE = 32
