import { type I8042OutputState, NOTHING } from './i8042-state.js'
import type { Keyboard } from './keyboard.js'
import { toSet1 } from './scancodes.js'

const BREAK_PREFIX = 0xf0
const RELEASED = 0x80

/**
 * What the guest reads from the data port. The controller's own answer comes first, and a new one replaces it; a keyboard's
 * byte waits behind it, so that no key is lost to a command.
 */
export class I8042Output {
  #answer = NOTHING
  #answerFromAux = false
  #held = NOTHING
  #releasing = false
  #lastData = 0

  get full(): boolean {
    return this.#answer !== NOTHING || this.#held !== NOTHING
  }

  get fromAux(): boolean {
    return this.#answer !== NOTHING && this.#answerFromAux
  }

  reply(value: number, fromAux = false): void {
    this.#answer = value
    this.#answerFromAux = fromAux
  }

  /** The next byte; with none there, the last one again. */
  take(): number {
    if (this.#answer !== NOTHING) {
      this.#lastData = this.#answer
      this.#answer = NOTHING
    } else if (this.#held !== NOTHING) {
      this.#lastData = this.#held
      this.#held = NOTHING
    }
    return this.#lastData
  }

  /** Takes the keyboard's next byte if there is room for it. */
  fetch(keyboard: Keyboard, translate: boolean): void {
    while (this.#held === NOTHING) {
      const byte = keyboard.take()
      if (byte === undefined) return
      this.#held = translate ? this.#translate(byte) : byte
    }
  }

  /** The byte as the guest sees it, or NOTHING for the prefix that marks the next one as a release. */
  #translate(byte: number): number {
    if (byte === BREAK_PREFIX) {
      this.#releasing = true
      return NOTHING
    }
    const released = this.#releasing ? RELEASED : 0
    this.#releasing = false
    return toSet1(byte) | released
  }

  save(): I8042OutputState {
    return {
      answer: this.#answer,
      answerFromAux: this.#answerFromAux,
      held: this.#held,
      releasing: this.#releasing,
      lastData: this.#lastData,
    }
  }

  restore(state: I8042OutputState): void {
    this.#answer = state.answer
    this.#answerFromAux = state.answerFromAux
    this.#held = state.held
    this.#releasing = state.releasing
    this.#lastData = state.lastData
  }
}
