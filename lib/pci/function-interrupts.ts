import type { HostEvent } from '../bus/host-event.js'
import { StateReader } from '../state.js'
import { checkInteger, invalidArgument } from '../validate.js'
import type { CheckedBar } from './bars.js'
import type { Capabilities } from './capabilities.js'
import type { ConfigSpace } from './config-space.js'
import { InterruptPin } from './interrupt-pin.js'
import { Msix, type MsixState } from './msix.js'
import { msixCapability, tableBar } from './msix-capability.js'
import type { PciBar } from './pci-device.js'
import * as R from './registers.js'
import type { PciSurroundings } from './surroundings.js'

export interface FunctionInterruptsOptions {
  /** The function's, for messages. */
  name: string
  space: ConfigSpace
  /** Whether it has a line, and where that leads. */
  pin: boolean
  gsi: number
  /** How many messages it has. */
  vectors: number
  around: Pick<PciSurroundings, 'line' | 'messages'>
}

/** How a function interrupts: by its line (INTx) or by messages (MSI-X), as its guest has set it in configuration space. */
export class FunctionInterrupts {
  readonly #name: string
  readonly #space: ConfigSpace
  readonly #msix: Msix | undefined
  readonly #pin: InterruptPin | undefined
  // Where Message Control is, of one with messages.
  #control = 0

  constructor({ name, space, pin, gsi, vectors, around }: FunctionInterruptsOptions) {
    this.#name = name
    this.#space = space
    this.#msix = vectors === 0 ? undefined : new Msix(vectors, around.messages())
    this.#pin = pin ? new InterruptPin(around.line(gsi), () => this.update()) : undefined
  }

  /** The BAR that it needs for its vectors, if it has any. */
  get bars(): PciBar[] {
    return this.#msix === undefined ? [] : [tableBar(this.#msix)]
  }

  /** Puts what a guest finds the vectors by behind the other capabilities, when the BARs have got their registers. */
  describe(bars: readonly CheckedBar[], capabilities: Capabilities): void {
    const table = bars.find(({ device }) => device === this.#msix)
    if (this.#msix && table) this.#control = capabilities.add(msixCapability(this.#msix, table.index))
  }

  /** Registers of which each write counts: offset and length. */
  get registers(): [offset: number, length: number][] {
    return this.#msix === undefined ? [] : [[this.#control, 2]]
  }

  /** Whether the guest has MSI-X on. */
  get usesMessages(): boolean {
    return this.#has(R.MSIX_ENABLE)
  }

  set(level: boolean): void {
    this.#pin?.set(level)
  }

  trigger(vector: number): void {
    this.#msix?.trigger(vector)
  }

  /** Until that is closed, `event` triggers it, too: {@link Msix.connect}. */
  connect(vector: number, event: HostEvent): { close(): void } | undefined {
    return this.#msix?.connect(vector, event)
  }

  /** Throw where the function has said of itself that it has none. */
  checkPin(): void {
    const name = this.#name
    if (this.#pin === undefined) throw invalidArgument('pin', false, `true, since ${name} has an interrupt line`)
  }

  checkVector(index: number): void {
    const count = this.#msix?.count ?? 0
    if (count === 0) throw invalidArgument('vectors', 0, `a number, since ${this.#name} has vectors`)
    checkInteger('index', index, 0, count - 1)
  }

  /** All is as the configuration space says. */
  update(): void {
    const command = this.#space.get16(R.COMMAND)
    this.#msix?.control(this.usesMessages, this.#has(R.MSIX_FUNCTION_MASK) || (command & R.COMMAND_MASTER) === 0)
    if (this.#pin === undefined) return
    const status = this.#space.get16(R.STATUS) & ~R.STATUS_INTERRUPT
    this.#space.set(R.STATUS, 2, this.#pin.wanted ? status | R.STATUS_INTERRUPT : status)
    this.#pin.drive(this.#usesPin)
  }

  reset(): void {
    this.#msix?.reset()
    this.#pin?.set(false)
  }

  /** Bits of configuration space that the function itself changes, of the byte at `offset`. */
  free(offset: number): number {
    return this.#pin !== undefined && offset === R.STATUS ? R.STATUS_INTERRUPT : 0
  }

  save(): MsixState | undefined {
    return this.#msix?.save()
  }

  /** Checks a state. What is returned takes it over, when the configuration space has been. */
  check(messages: MsixState | undefined): () => void {
    const takeMessages = this.#msix?.check(new StateReader(`the vectors of ${this.#name}`, messages))
    return () => {
      takeMessages?.()
      this.#pin?.restore((this.#space.get16(R.STATUS) & R.STATUS_INTERRUPT) !== 0, this.#usesPin)
    }
  }

  get #usesPin(): boolean {
    return (this.#space.get16(R.COMMAND) & R.COMMAND_NO_INTX) === 0 && !this.usesMessages
  }

  #has(bit: number): boolean {
    return this.#msix !== undefined && (this.#space.get16(this.#control) & bit) !== 0
  }
}
