import { RAM_SIZE } from './i8042-registers.js'
import { type KeyboardState, readKeyboardState } from './keyboard.js'
import { StateReader, type Versioned } from '../state.js'

/** No byte there. */
export const NOTHING = -1

export interface I8042OutputState {
  /** The controller's own answer, or -1. */
  answer: number
  answerFromAux: boolean
  /** The keyboard's byte in the output buffer, or -1. */
  held: number
  releasing: boolean
  lastData: number
}

export interface I8042State extends Versioned, I8042OutputState {
  ram: number[]
  outputPort: number
  /** The command whose parameter is awaited, or 0. */
  pendingCommand: number
  lastWriteWasCommand: boolean
  keyboard: KeyboardState
}

/** A checked copy. */
export function readI8042State(state: unknown): I8042State {
  const reader = new StateReader('the keyboard controller', state, 1)
  return {
    version: 1,
    ram: reader.integers('ram', RAM_SIZE, 0xff, true),
    outputPort: reader.integer('outputPort', 0xff),
    pendingCommand: reader.integer('pendingCommand', 0xff),
    lastWriteWasCommand: reader.boolean('lastWriteWasCommand'),
    answer: reader.integer('answer', 0xff, NOTHING),
    answerFromAux: reader.boolean('answerFromAux'),
    held: reader.integer('held', 0xff, NOTHING),
    releasing: reader.boolean('releasing'),
    lastData: reader.integer('lastData', 0xff),
    keyboard: readKeyboardState((state as { keyboard?: unknown }).keyboard),
  }
}
