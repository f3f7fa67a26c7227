/**
 * The devices of a PC, each of which works on its own: registers at offsets on one side, effects that the caller provides on
 * the other.
 *
 * @packageDocumentation
 */
export * as acpiPmRegisters from './acpi-pm-registers.js'
export { AcpiPm, type AcpiPmOptions, type AcpiPmState } from './acpi-pm.js'
export { type Clock, eventLoopSchedule, monotonicClock, type Schedule, wallClock } from '../bus/clock.js'
export { DebugConsole, type DebugConsoleOptions } from './debug-console.js'
export { DebugExit, type DebugExitOptions } from './debug-exit.js'
export { FW_CFG_KEYS } from './fw-cfg-items.js'
export { FW_CFG_LENGTH, FwCfg, type FwCfgOptions, type FwCfgState } from './fw-cfg.js'
export { GENERATION_ID_SIZE, GenerationId, type GenerationIdOptions, type GenerationIdState } from './generation-id.js'
export {
  capabilities as hpetCapabilities,
  HPET_ADDRESS,
  HPET_LENGTH,
  MINIMUM_TICK as HPET_MINIMUM_TICK,
} from './hpet-registers.js'
export type { HpetTimerState } from './hpet-timer.js'
export { Hpet, type HpetOptions, type HpetState } from './hpet.js'
export type { I8042State } from './i8042-state.js'
export { I8042, type I8042Options } from './i8042.js'
export type { KeyboardState } from './keyboard.js'
export { type Output, OutputBuffer, type OutputBufferOptions } from './output-buffer.js'
export { PostCode, type PostCodeOptions, type PostCodeState } from './post-code.js'
export { type PanicEvent, PvPanic, type PvPanicOptions } from './pvpanic.js'
export { ResetControl, type ResetControlOptions, type ResetControlState } from './reset-control.js'
export type { CmosContents } from './rtc-memory.js'
export { RTC_LENGTH } from './rtc-registers.js'
export { Rtc, type RtcOptions, type RtcState } from './rtc.js'
export type { ModemLines, OutputLines } from './serial-modem.js'
export type { ModemState, ReceiverState, SerialState } from './serial-state.js'
export { SERIAL_LENGTH } from './serial-registers.js'
export { Serial, type SerialOptions } from './serial.js'
export {
  SystemControlA,
  type SystemControlAOptions,
  SystemControlB,
  type SystemControlState,
} from './system-control.js'
