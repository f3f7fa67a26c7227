import * as R from './serial-registers.js'
import { StateReader, type Versioned } from '../state.js'

export interface ModemState {
  modemControl: number
  modemLines: number
  modemDeltas: number
}

export interface ReceiverState {
  fifoEnabled: boolean
  trigger: number
  errors: number
  /** Each a byte, with the error bits of LSR from bit 8 on. */
  fifo: number[]
  lastReceived: number
  backlog: number[]
}

export interface SerialState extends Versioned, ModemState, ReceiverState {
  interruptEnable: number
  lineControl: number
  scratch: number
  divisor: number
  emptyPending: boolean
}

/** A checked copy. */
export function readSerialState(state: unknown, backlog: number): SerialState {
  const reader = new StateReader('serial', state, 1)
  const fifoEnabled = reader.boolean('fifoEnabled')
  const trigger = reader.integer('trigger', Math.max(...R.TRIGGER_LEVELS), 1)
  return {
    version: 1,
    interruptEnable: reader.integer('interruptEnable', R.IER_MASK),
    lineControl: reader.integer('lineControl', 0xff),
    modemControl: reader.integer('modemControl', R.MCR_MASK),
    modemLines: reader.bits('modemLines', R.MSR_LINES),
    modemDeltas: reader.integer('modemDeltas', R.MSR_DELTAS),
    scratch: reader.integer('scratch', 0xff),
    divisor: reader.integer('divisor', 0xffff),
    emptyPending: reader.boolean('emptyPending'),
    fifoEnabled,
    trigger,
    errors: reader.bits('errors', R.LSR_ERRORS),
    fifo: reader.integers('fifo', fifoEnabled ? R.FIFO_DEPTH : 1, (R.LSR_ERRORS << 8) | 0xff),
    lastReceived: reader.integer('lastReceived', 0xff),
    backlog: reader.integers('backlog', backlog),
  }
}
