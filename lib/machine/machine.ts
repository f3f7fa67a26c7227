import type { Bus } from '../bus/bus.js'
import type { BootContext } from './boot-source.js'
import type { BootResult } from '../boot/types.js'
import { KvmError } from '../errors.js'
import { loadDisassembler } from '../inspect/disassemble.js'
import { examine } from '../inspect/post-mortem.js'
import type { PostMortem } from '../inspect/report.js'
import { SymbolTable } from '../inspect/symbols.js'
import { Kvm } from '../kvm/kvm.js'
import type { Vm } from '../kvm/vm.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { Guest } from './guest.js'
import { type CheckedMachineOptions, checkMachineOptions, type MachineOptions } from './options.js'
import type { Outcome } from './outcome.js'

export interface MachineRunOptions {
  /** Milliseconds after which the run ends with the outcome `timeout`. Default: never. */
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
  readonly #load: (context: BootContext) => BootResult
  #guest: Guest
  #running = false

  private constructor(kvm: Kvm, options: CheckedMachineOptions, load: (context: BootContext) => BootResult) {
    this.#kvm = kvm
    this.#options = options
    this.#load = load
    this.#guest = new Guest(kvm, options, load)
  }

  /** Puts a machine together. What is wrong with an image is said here, before a vCPU exists. */
  static async create(options: MachineOptions): Promise<Machine> {
    const checked = checkMachineOptions(options)
    const { load } = await checked.boot.prepare()
    const kvm = Kvm.open()
    try {
      return new Machine(kvm, checked, load)
    } catch (error) {
      kvm.close()
      throw error
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

  /** Runs the guest until it ends, whatever way; after a reset it boots again unless `onReset` says otherwise. */
  async run(options: MachineRunOptions = {}): Promise<Outcome> {
    const { timeout } = checkOptions('options', options, ['timeout'])
    if (this.#running) throw new KvmError('ERR_KVM_RUNNING', 'the machine runs already; stop() it first')
    this.#running = true
    const limit = timeout === undefined ? undefined : checkInteger('timeout', timeout, 1, 2 ** 31 - 1)
    const timer = limit === undefined ? undefined : setTimeout(() => void this.#guest.stop({ kind: 'timeout' }), limit)
    try {
      for (;;) {
        const outcome = await this.#guest.run()
        if (outcome.kind !== 'reset' || this.#options.onReset === 'end') return outcome
        this.#guest.close()
        this.#guest = new Guest(this.#kvm, this.#options, this.#load)
      }
    } finally {
      clearTimeout(timer)
      this.#running = false
    }
  }

  /** Resolves when every vCPU is outside the guest; all state can be read and written then. */
  pause(): Promise<void> {
    return this.#guest.vm.pause()
  }

  resume(): void {
    this.#guest.vm.resume()
  }

  /** Presses the power button. Returns whether the guest's operating system listens: it should shut down then. */
  powerButton(): boolean {
    return this.#guest.chipset.pressPowerButton()
  }

  /** Ends the run, which then has the outcome `stopped`. */
  stop(): Promise<void> {
    return this.#guest.stop({ kind: 'stopped' })
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
    const disassembler = await loadDisassembler()
    if (this.closed) throw new KvmError('ERR_KVM_CLOSED', 'the machine has been closed')
    if (this.#guest.vcpus.some(({ started, paused }) => started && !paused)) {
      throw new KvmError('ERR_KVM_RUNNING', 'the machine is running; pause() it first')
    }
    return examine(this.#guest.remains(), symbols, disassembler)
  }

  /** Closes the machine. A run ends at once. */
  close(): void {
    this.#guest.close()
    this.#kvm.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
