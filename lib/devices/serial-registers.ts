// Registers of the PC16550D UART (National Semiconductor data sheet, June 1995, section 8, table II).

/** Receiver buffer (read), transmitter holding (write); divisor latch, low, with DLAB. */
export const DATA = 0
/** Interrupt enable; divisor latch, high, with DLAB. */
export const IER = 1
/** Interrupt identification (read), FIFO control (write). */
export const IIR = 2
export const FCR = 2
/** Line control. */
export const LCR = 3
/** Modem control. */
export const MCR = 4
/** Line status. */
export const LSR = 5
/** Modem status. */
export const MSR = 6
/** Scratch. */
export const SCR = 7
export const SERIAL_LENGTH = 8

export const IER_RECEIVED = 1 << 0
export const IER_THR_EMPTY = 1 << 1
export const IER_LINE_STATUS = 1 << 2
export const IER_MODEM_STATUS = 1 << 3
export const IER_MASK = 0x0f

// Section 8.6.2, table IV: in the order of their priority.
export const IIR_LINE_STATUS = 0x06
export const IIR_RECEIVED = 0x04
export const IIR_CHARACTER_TIMEOUT = 0x0c
export const IIR_THR_EMPTY = 0x02
export const IIR_MODEM_STATUS = 0x00
export const IIR_NONE = 0x01
export const IIR_FIFOS_ENABLED = 0xc0

export const FCR_ENABLE = 1 << 0
export const FCR_CLEAR_RECEIVER = 1 << 1
export const FCR_TRIGGER_SHIFT = 6
/** How many bytes raise the received-data interrupt, by the trigger bits. */
export const TRIGGER_LEVELS = [1, 4, 8, 14] as const

export const LCR_DLAB = 1 << 7

export const MCR_DTR = 1 << 0
export const MCR_RTS = 1 << 1
export const MCR_OUT1 = 1 << 2
export const MCR_OUT2 = 1 << 3
export const MCR_LOOPBACK = 1 << 4
export const MCR_MASK = 0x1f

export const LSR_DATA_READY = 1 << 0
export const LSR_OVERRUN = 1 << 1
export const LSR_BREAK = 1 << 4
export const LSR_THR_EMPTY = 1 << 5
export const LSR_TRANSMITTER_EMPTY = 1 << 6
export const LSR_ERROR_IN_FIFO = 1 << 7
/** Overrun, parity, framing, break: what reading the register clears. */
export const LSR_ERRORS = 0x1e

export const MSR_DELTA_CTS = 1 << 0
export const MSR_DELTA_DSR = 1 << 1
export const MSR_TRAILING_EDGE_RI = 1 << 2
export const MSR_DELTA_DCD = 1 << 3
export const MSR_CTS = 1 << 4
export const MSR_DSR = 1 << 5
export const MSR_RI = 1 << 6
export const MSR_DCD = 1 << 7
export const MSR_DELTAS = 0x0f
export const MSR_LINES = 0xf0

export const FIFO_DEPTH = 16
/** Divisor of the 1.8432 MHz clock for 9600 baud. */
export const DEFAULT_DIVISOR = 12
