import { AsyncResource } from 'node:async_hooks'
import type { Bus } from '../bus/bus.js'
import type { BootContext } from './boot-source.js'
import type { BootResult } from '../boot/types.js'
import { KvmError } from '../errors.js'
import type { PostMortem } from '../inspect/report.js'
import { SymbolTable } from '../inspect/symbols.js'
import { Kvm } from '../kvm/kvm.js'
import type { Vm } from '../kvm/vm.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { Gate } from './gate.js'
import { callAll, callAllAsync, failure } from './failures.js'
import { type Ending, Guest } from './guest.js'
import { type CheckedMachineOptions, checkMachineOptions, type MachineOptions } from './options.js'
import type { Outcome } from './outcome.js'

export interface MachineRunOptions {
  /** Milliseconds after which the run ends with the outcome `timeout`: 1 to 2³¹ - 1. Default: never. */
  timeout?: number
}

export interface PostMortemOptions {
  /** The guest's symbols, for example `await readSymbols('System.map')`: names for instructions and calls. */
  symbols?: SymbolTable
}

/**
 * A PC: memory, vCPUs, the in-kernel interrupt controllers and timer, the devices that every PC has, and those that it is
 * given. `Machine.create()` reads and checks what it boots; `run()` runs it to its end.
 */
export class Machine {
  readonly #kvm: Kvm
  readonly #options: CheckedMachineOptions
  /** Puts a life of the guest together. */
  readonly #newGuest: () => Guest
  #guest: Guest
  #state: 'new' | 'running' | 'ended' = 'new'
  // A wish to pause holds over resets, and before the run. No life begins while there is one.
  readonly #gate = new Gate()
  // The present life, up to the moment at which the next one stands ready.
  #life: Promise<unknown> = Promise.resolve()
  // Why the run is to end, for when the guest ends its life at the same time.
  #ending: Ending | undefined
  // A run that waits for its devices' last output does not when the machine is closed.
  #stopWaiting: (() => void) | undefined

  private constructor(kvm: Kvm, options: CheckedMachineOptions, load: (context: BootContext) => BootResult) {
    this.#kvm = kvm
    this.#options = options
    // The devices belong to who gave them, also in a later life.
    this.#newGuest = AsyncResource.bind(() => new Guest(kvm, options, load))
    this.#guest = this.#newGuest()
  }

  /** Puts a machine together. What is wrong with an image is said here, before a vCPU exists. */
  static async create(options: MachineOptions): Promise<Machine> {
    const checked = checkMachineOptions(options)
    let kvm: Kvm | undefined
    try {
      const { load } = await checked.boot.prepare()
      kvm = Kvm.open()
      return new Machine(kvm, checked, load)
    } catch (error) {
      kvm?.close()
      const late = await tellEnd(checked).settled
      throw late.length === 0 ? error : failure([error, ...late], late.length)
    }
  }

  /** The VM of the guest's present life; after a reset there is another. */
  get vm(): Vm {
    return this.#guest.vm
  }

  /** The port I/O bus. */
  get ports(): Bus {
    return this.#guest.ports
  }

  /** The MMIO bus: guest physical addresses without memory. */
  get mmio(): Bus {
    return this.#guest.mmio
  }

  /** What the boot loader put where. */
  get placed(): BootResult['placed'] {
    return this.#guest.placed
  }

  get closed(): boolean {
    return this.#guest.vm.closed
  }

  /**
   * Runs the guest until it ends, whatever way; after a reset it boots again unless `onReset` says otherwise. Once: another
   * run needs another machine.
   *
   * Rejects with `ERR_KVM_RUNNING` while it runs, with `ERR_KVM_GUEST_ENDED` when it has run, with `ERR_KVM_CLOSED`; with
   * `ERR_KVM_DEVICE_FAILED` when a device throws, or fails otherwise; the error says which, and where the guest was.
   *
   * It waits for devices that have something left to do at the end, such as output that its reader has yet to take.
   */
  async run(options: MachineRunOptions = {}): Promise<Outcome> {
    const { timeout } = checkOptions('options', options, ['timeout'])
    const limit = timeout === undefined ? undefined : checkInteger('timeout', timeout, 1, 2 ** 31 - 1)
    this.#checkRunnable()
    this.#state = 'running'
    const timer = limit === undefined ? undefined : setTimeout(() => void this.#end({ kind: 'timeout' }), limit)
    let outcome: Outcome | undefined
    const errors: unknown[] = []
    try {
      outcome = await this.#live()
    } catch (error) {
      errors.push(error)
    }
    clearTimeout(timer)
    const late = await this.#over()
    if (outcome === undefined || late.length > 0) throw failure([...errors, ...late], late.length, outcome)
    return outcome
  }

  /**
   * Resolves when every vCPU is outside the guest; all state can be read and written then. It stays so until {@link resume},
   * which need be called once only, also when the guest resets, or has not been started yet. The guest's clock stands still
   * unless `pausedClock` says otherwise; the time limit of {@link run} does not.
   */
  async pause(): Promise<void> {
    this.#gate.close()
    const guest = this.#guest
    await guest.pause()
    // It was about to reset: the next life stands at its entry now.
    if (guest.ended) await this.#life
  }

  /** Lets a paused machine run on. Does nothing when it is not paused. */
  resume(): void {
    this.#guest.resume()
    this.#gate.open()
  }

  /** Presses the power button. Returns whether the guest's operating system listens: it should shut down then. */
  powerButton(): boolean {
    return this.#guest.chipset.pressPowerButton()
  }

  /** Ends the run, which then has the outcome `stopped`. Without a run it does nothing. */
  stop(): Promise<void> {
    return this.#end({ kind: 'stopped' })
  }

  /**
   * What is left of the guest, as plain data: each vCPU's registers, the instructions where it is and the calls that led
   * there, the last exits, the last lines of the serial lines. When a run has ended, however it did, or while the machine
   * is paused; else `ERR_KVM_RUNNING`. After {@link close} there is nothing left: `ERR_KVM_CLOSED`.
   */
  async postMortem(options: PostMortemOptions = {}): Promise<PostMortem> {
    checkOptions('options', options, ['symbols'])
    const { symbols } = options
    if (symbols !== undefined && !(symbols instanceof SymbolTable)) {
      throw invalidArgument('symbols', symbols, 'what readSymbols() returns')
    }
    // Not before it is needed: few machines get here.
    const { examine } = await import('../inspect/post-mortem.js')
    const { loadDisassembler } = await import('../inspect/disassemble.js')
    const disassembler = await loadDisassembler()
    if (this.closed) throw new KvmError('ERR_KVM_CLOSED', 'the machine has been closed')
    if (this.#guest.vcpus.some(({ started, paused }) => started && !paused)) {
      throw new KvmError('ERR_KVM_RUNNING', 'the machine is running; pause() it first')
    }
    return examine(this.#guest.remains(), symbols, disassembler)
  }

  /** Closes the machine. A run ends at once, with the outcome `stopped`. Closing again does nothing. */
  close(): void {
    if (this.#kvm.closed) return
    this.#ending ??= { kind: 'stopped' }
    const errors = callAll([
      () => {
        this.#guest.close()
      },
    ])
    this.#gate.open()
    this.#kvm.close()
    // Else the run tells them.
    const late = this.#state === 'new' ? tellEnd(this.#options).thrown : []
    if (this.#state === 'new') this.#state = 'ended'
    this.#stopWaiting?.()
    if (errors.length + late.length > 0) throw failure([...errors, ...late], late.length)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** One life after the other. */
  async #live(): Promise<Outcome> {
    for (;;) {
      if (this.#gate.closed) await this.#gate.pass()
      const life = this.#oneLife()
      this.#life = life.catch(() => undefined)
      const outcome = await life
      if (outcome !== undefined) return outcome
    }
  }

  /** How it ended; undefined when it was a reset and the next life stands ready. */
  async #oneLife(): Promise<Outcome | undefined> {
    const outcome = await this.#guest.run()
    if (outcome.kind !== 'reset' || this.#options.onReset === 'end') return outcome
    if (this.#ending !== undefined) return { ...this.#ending, at: outcome.at }
    this.#guest.close()
    this.#guest = this.#newGuest()
    return undefined
  }

  async #end(ending: Ending): Promise<void> {
    if (this.#state !== 'running') return
    this.#ending ??= ending
    const stopped = this.#guest.stop(ending)
    this.#gate.open()
    await stopped
  }

  /** Tells the devices, and waits for those that are not ready. Returns what they throw. */
  async #over(): Promise<unknown[]> {
    this.#state = 'ended'
    const { thrown, settled } = tellEnd(this.#options)
    if (this.#kvm.closed) return thrown
    const closed = new Promise<unknown[]>((resolve) => {
      this.#stopWaiting = () => {
        resolve(thrown)
      }
    })
    return Promise.race([settled, closed])
  }

  #checkRunnable(): void {
    if (this.#kvm.closed) throw new KvmError('ERR_KVM_CLOSED', 'the machine has been closed')
    if (this.#state === 'running') throw new KvmError('ERR_KVM_RUNNING', 'the machine runs already; stop() it first')
    if (this.#state === 'ended') {
      throw new KvmError('ERR_KVM_GUEST_ENDED', 'the guest has ended; Machine.create() makes a machine that can run')
    }
  }
}

/** No other life of the guest comes. */
function tellEnd({ devices }: CheckedMachineOptions) {
  return callAllAsync(devices.map((device) => () => device.ended?.() ?? undefined))
}
