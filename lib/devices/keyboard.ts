import { StateReader } from '../state.js'

// Commands of a PS/2 keyboard (IBM PS/2 technical reference, keyboards (101- and 102-key), "commands from the system").
const SET_LEDS = 0xed
const ECHO = 0xee
const SCAN_CODE_SET = 0xf0
const IDENTIFY = 0xf2
const SET_TYPEMATIC = 0xf3
const ENABLE = 0xf4
const DISABLE = 0xf5
const SET_DEFAULTS = 0xf6
// Key types of set 3: for all keys, and from SET_KEY_TYPE on for one key, which follows.
const SET_ALL_KEYS = 0xf7
const SET_KEY_TYPE = 0xfb
const SET_KEY_TYPE_LAST = 0xfd
const RESEND = 0xfe
const RESET = 0xff

const ACK = 0xfa
const SELF_TEST_PASSED = 0xaa
const ID = [0xab, 0x83] as const

const DEFAULT_SET = 2
const SETS = 3
/** How many scan codes a keyboard keeps while it may not send. */
const QUEUE = 16
const LONGEST_ANSWER = 3

export interface KeyboardState {
  scanning: boolean
  scanCodeSet: number
  leds: number
  /** The command whose parameter is awaited, or 0. */
  pendingCommand: number
  answer: number[]
  queue: number[]
  last: number
}

/** A PS/2 keyboard: takes commands from the controller and has bytes for it. */
export class Keyboard {
  // Firmware has left it switched on.
  #scanning = true
  #set = DEFAULT_SET
  #leds = 0
  #pending = 0
  #answer: number[] = []
  #queue: number[] = []
  #last = 0

  /** Bit 0: scroll lock, 1: num lock, 2: caps lock. */
  get leds(): number {
    return this.#leds
  }

  /** A key is pressed or released: all of its bytes are taken, or none, if they do not fit. */
  press(codes: ArrayLike<number>): boolean {
    if (!this.#scanning) return true
    if (this.#queue.length + codes.length > QUEUE) return false
    this.#queue.push(...Array.from(codes, (code) => code & 0xff))
    return true
  }

  /** The next byte for the controller. */
  take(): number | undefined {
    const byte = this.#answer.shift() ?? this.#queue.shift()
    if (byte !== undefined) this.#last = byte
    return byte
  }

  /** A byte from the controller. An answer that was under way is given up for the new one. */
  command(byte: number): void {
    const pending = this.#pending
    this.#pending = 0
    this.#answer = pending === 0 ? this.#execute(byte) : this.#parameter(pending, byte)
  }

  #execute(command: number): number[] {
    if (command >= SET_KEY_TYPE && command <= SET_KEY_TYPE_LAST) return this.#await(command)
    if (command >= SET_ALL_KEYS && command < SET_KEY_TYPE) return [ACK]
    switch (command) {
      case SET_LEDS:
      case SCAN_CODE_SET:
      case SET_TYPEMATIC:
        return this.#await(command)
      case ECHO:
        return [ECHO]
      case IDENTIFY:
        return [ACK, ...ID]
      case ENABLE:
        this.#queue = []
        this.#scanning = true
        return [ACK]
      case DISABLE:
        this.#setDefaults(false)
        return [ACK]
      case SET_DEFAULTS:
        this.#setDefaults(this.#scanning)
        return [ACK]
      case RESET:
        this.#setDefaults(true)
        this.#leds = 0
        return [ACK, SELF_TEST_PASSED]
      case RESEND:
        return [this.#last]
      default:
        return [RESEND]
    }
  }

  #await(command: number): number[] {
    this.#pending = command
    return [ACK]
  }

  #parameter(command: number, value: number): number[] {
    if (command === SET_LEDS) this.#leds = value & 7
    if (command !== SCAN_CODE_SET) return [ACK]
    if (value === 0) return [ACK, this.#set]
    if (value > SETS) return [RESEND]
    this.#set = value
    return [ACK]
  }

  #setDefaults(scanning: boolean): void {
    this.#scanning = scanning
    this.#set = DEFAULT_SET
    this.#queue = []
  }

  save(): KeyboardState {
    return {
      scanning: this.#scanning,
      scanCodeSet: this.#set,
      leds: this.#leds,
      pendingCommand: this.#pending,
      answer: [...this.#answer],
      queue: [...this.#queue],
      last: this.#last,
    }
  }

  restore(state: KeyboardState): void {
    this.#scanning = state.scanning
    this.#set = state.scanCodeSet
    this.#leds = state.leds
    this.#pending = state.pendingCommand
    this.#answer = [...state.answer]
    this.#queue = [...state.queue]
    this.#last = state.last
  }
}

/** A checked copy. */
export function readKeyboardState(state: unknown): KeyboardState {
  const reader = new StateReader('the keyboard', state)
  return {
    scanning: reader.boolean('scanning'),
    scanCodeSet: reader.integer('scanCodeSet', SETS, 1),
    leds: reader.integer('leds', 7),
    pendingCommand: reader.integer('pendingCommand', 0xff),
    answer: reader.integers('answer', LONGEST_ANSWER),
    queue: reader.integers('queue', QUEUE),
    last: reader.integer('last', 0xff),
  }
}
