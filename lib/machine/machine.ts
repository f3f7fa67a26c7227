import { AsyncResource } from 'node:async_hooks'
import type { Bus } from '../bus/bus.js'
import type { Device } from '../bus/device.js'
import { promised } from '../bus/in-order.js'
import type { BootResult } from '../boot/types.js'
import { KvmError } from '../errors.js'
import { hostToBlame } from '../host/processor.js'
import type { PostMortem } from '../inspect/report.js'
import { SymbolTable } from '../inspect/symbols.js'
import { Kvm } from '../kvm/kvm.js'
import type { Vm } from '../kvm/vm.js'
import type { Duplex } from 'node:stream'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import type { BootContext } from './boot-source.js'
import type { ExitAnswer, ExitReason } from './exit-table.js'
import { callAll, callAllAsync, failure } from './failures.js'
import { Hardware } from './hardware.js'
import { isNode } from './host.js'
import { closedError, Lives } from './lives.js'
import type { Observer } from './observers.js'
import { type MachineState, readMachineState } from './machine-state.js'
import { type CheckedMachineOptions, checkMachineOptions, type MachineOptions } from './options.js'
import { describeOutcome, mayBeOfTheHost, type Outcome } from './outcome.js'
import { checkRestoreOptions, type RestoreOptions } from './restore-options.js'
import type { SnapshotOptions } from './snapshot-options.js'
import { takeSnapshot } from './take-snapshot.js'
import { Moves } from './migration/moves.js'
import {
  checkReceiveOptions,
  type MigrateOptions,
  type MigrationReport,
  type ReceiveOptions,
} from './migration/options.js'
import type { Moving } from './migration/source.js'
import { receiveMachine } from './migration/target.js'
import type { MachineOrigin } from './origin.js'
import { MachineTemplate } from './template.js'

export interface MachineRunOptions {
  /** Milliseconds after which the run ends with the outcome `timeout`: 1 to 2³¹ - 1. Default: never. */
  timeout?: number
}

export interface PostMortemOptions {
  /** The guest's symbols, for example `await readSymbols('System.map')`: names for instructions and calls. */
  symbols?: SymbolTable
}

/**
 * A whole machine: memory, vCPUs, the in-kernel interrupt controllers, the devices that every machine has, and those that it is
 * given. `Machine.create()` reads and checks what it boots; `run()` runs it to its end. It keeps its devices, and what was
 * mapped or changed by hand, over every reset of its guest.
 */
export class Machine {
  readonly #kvm: Kvm
  readonly #options: CheckedMachineOptions
  readonly #lives: Lives
  readonly #hardware: Hardware
  readonly #moves: Moves
  // What it was restored from.
  readonly #origin: MachineOrigin | undefined
  // A run that waits for its devices' last output does not when the machine is closed.
  #stopWaiting: (() => void) | undefined

  private constructor(
    kvm: Kvm,
    options: CheckedMachineOptions,
    load: (context: BootContext) => BootResult,
    origin?: MachineOrigin,
  ) {
    this.#kvm = kvm
    this.#options = options
    this.#origin = origin
    this.#lives = new Lives(options.onReset !== 'end')
    const hardware = new Hardware(kvm, options, () => this.#lives.present, origin)
    this.#hardware = hardware
    this.#moves = new Moves(this.#whole)
    // The boot source belongs to who gave it, also in a later life.
    const boot = AsyncResource.bind(() => {
      hardware.boot(load)
    })
    const begin = () => {
      if (origin !== undefined) hardware.pauses.begin()
      else if (options.onReset !== 'end') hardware.board.remember()
    }
    this.#lives.standOn({ hardware, begin, boot })
    if (origin !== undefined) return
    try {
      boot()
    } catch (error) {
      hardware.close()
      throw error
    }
  }

  /** Puts a machine together. What is wrong with an image is said here, before a vCPU exists. */
  static async create(options: MachineOptions): Promise<Machine> {
    return Machine.#make(checkMachineOptions(options))
  }

  /**
   * Puts a machine together that goes on from where another one was when it was saved, once its `run()` is called. What that one was
   * made with it has again; `devices` are made anew, and each gets the state of the one with its name.
   *
   * Rejects with `ERR_KVM_INVALID_STATE` for a state that cannot be, and with `ERR_KVM_SNAPSHOT` where this host does not take it over, or
   * a device is missing.
   */
  static async restore(origin: MachineOrigin, options: RestoreOptions = {}): Promise<Machine> {
    checkOrigin(origin)
    const state = readMachineState(origin.state)
    return Machine.#make(checkRestoreOptions(state.shape, options), origin)
  }

  /**
   * Takes over a machine that another process moves here by {@link migrate}. Resolves once that one has let go of it: it goes on where
   * it was when its `run()` is called. The stream is used up.
   *
   * Rejects with `ERR_KVM_MIGRATION` for a stream that ends, brings something else or asks for too much memory, with
   * `ERR_KVM_INVALID_STATE` and `ERR_KVM_SNAPSHOT` as {@link restore} does, with what `devices()` throws, and with the signal's reason.
   * Nothing is left behind then.
   */
  static async receive(stream: Duplex, options: ReceiveOptions = {}): Promise<Machine> {
    return receiveMachine(stream, checkReceiveOptions(stream, options), (origin, restore) =>
      Machine.restore(origin, restore),
    )
  }

  static async #make(checked: CheckedMachineOptions, origin?: MachineOrigin): Promise<Machine> {
    let kvm: Kvm | undefined
    let machine: Machine | undefined
    try {
      const { load } = await checked.boot.prepare()
      kvm = checked.kvm ?? Kvm.open()
      machine = new Machine(kvm, checked, load, origin)
      if (origin !== undefined) await machine.#restore(origin)
      return machine
    } catch (error) {
      const thrown = callAll([
        () => {
          if (machine !== undefined) machine.#hardware.close()
        },
        () => {
          if (checked.kvm === undefined) kvm?.close()
        },
      ])
      const late = [...thrown, ...(await tellEnd(checked).settled)]
      throw late.length === 0 ? error : failure([error, ...late], late.length)
    }
  }

  /** The VM; the same over all lives of the guest. */
  get vm(): Vm {
    return this.#hardware.vm
  }

  /** The port I/O bus. */
  get ports(): Bus {
    return this.#hardware.ports
  }

  /** The MMIO bus: guest physical addresses without memory. */
  get mmio(): Bus {
    return this.#hardware.mmio
  }

  /** The devices by name, such as `serial0`, in the order in which they were put in. */
  get devices(): ReadonlyMap<string, Device> {
    return this.#hardware.devices.byName
  }

  /** What the boot loader put where. */
  get placed(): BootResult['placed'] {
    return this.#hardware.placed
  }

  get closed(): boolean {
    return this.#hardware.vm.closed
  }

  /**
   * Says what is done when the guest leaves a vCPU for that reason, instead of what the machine would do; for `debug`,
   * `hypercall` and the like, which otherwise end the run with the outcome `kvm-error`. The vCPU runs on when `answer` returns,
   * or when its promise resolves; what it throws the run rejects with. Returns what takes that back.
   */
  onExit<Reason extends ExitReason>(reason: Reason, answer: ExitAnswer<Reason>): () => void {
    return this.#hardware.exits.set(reason, answer)
  }

  /** Watches what happens. Returns what ends that. */
  observe(observer: Observer): () => void {
    if (typeof observer !== 'object' || (observer as Observer | null) === null) {
      throw invalidArgument('observer', observer, 'an object with methods such as exit() or reset()')
    }
    const end = this.#hardware.observers.add(observer)
    const show = () => {
      if ('exit' in observer) this.#hardware.showExits()
    }
    show()
    return () => {
      end()
      show()
    }
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
    this.#lives.checkRunnable()
    const timer = limit === undefined ? undefined : setTimeout(() => void this.#lives.end({ kind: 'timeout' }), limit)
    let outcome: Outcome | undefined
    const errors: unknown[] = []
    try {
      outcome = await this.#lives.run()
    } catch (error) {
      errors.push(error)
    }
    clearTimeout(timer)
    const late = await this.#over()
    if (outcome !== undefined) this.#hardware.observers.tell('outcome', outcome)
    if (outcome === undefined || late.length > 0) throw failure([...errors, ...late], late.length, outcome)
    return outcome
  }

  /**
   * Resolves when every vCPU is outside the guest; all state can be read and written then. It stays so until {@link resume},
   * which need be called once only, also when the guest resets, or has not been started yet. The guest's clock stands still
   * unless `pausedClock` says otherwise; the time limit of {@link run} does not.
   */
  pause(): Promise<void> {
    return this.#lives.pause()
  }

  /** Lets a paused machine run on. Does nothing when it is not paused. */
  resume(): void {
    this.#moves.resume()
  }

  /**
   * What the machine is now, as plain data, without its memory: that is in `vm.memory`. While it is paused, or before it runs; else
   * `ERR_KVM_RUNNING`.
   */
  save(): MachineState {
    this.#lives.checkAlive()
    return this.#hardware.save()
  }

  /**
   * Freezes the machine as it is now, into a template for forks, and lets it go on, if it ran. With `backing: 'memfd'` it goes on as
   * the first of the forks and no memory is copied; otherwise what is not zero is copied, and it keeps its own.
   *
   * Let each of its devices be one that saves its state, or has none.
   */
  async freeze(): Promise<MachineTemplate<Machine>> {
    return this.#lives.standingStill(() => {
      const state = this.save()
      return new MachineTemplate<Machine>(state, this.#hardware.ram.freeze(), (template, options) =>
        Machine.restore(template, options),
      )
    })
  }

  /**
   * Of a machine that was restored, or is a fork: all is again as it was then, at the cost of the pages that it has written since. It
   * goes on from there, if it ran. Rejects with `ERR_KVM_GUEST_ENDED` when its run has ended.
   */
  async rewind(): Promise<void> {
    this.#moves.checkStays()
    const origin = this.#origin
    if (origin === undefined) {
      throw new KvmError('ERR_KVM_SNAPSHOT', 'this machine was not restored or forked from anything', {
        operands: { component: 'origin' },
      })
    }
    await this.#lives.standingStill(async () => {
      origin.checkOpen?.()
      try {
        await this.#hardware.rewind(origin)
      } catch (error) {
        // Half of it is of another moment now.
        this.#lives.present.fail(error)
        throw error
      }
    })
  }

  /**
   * Takes a snapshot of the machine into a directory, which is made if it is not there; a snapshot in it is replaced once this one is
   * whole. The machine goes on, if it ran, as soon as its memory has been set aside: with `backing: 'memfd'` at once, otherwise
   * when what is not zero has been copied.
   *
   * Rejects with `ERR_KVM_SNAPSHOT` where it cannot be written: what was in the directory is as it was.
   */
  async snapshot(directory: string, options: SnapshotOptions = {}): Promise<void> {
    await takeSnapshot(this.#whole, directory, options)
  }

  /**
   * Moves the machine to where somebody waits for it with `Machine.receive()` at the other end of the stream. Its memory is sent while its
   * guest runs; then it stands still while the rest follows. Resolves when it goes on there: its run has the outcome `migrated` here. The
   * stream is used up. Encrypt it, and let both ends prove who they are, wherever others can reach it.
   *
   * When it rejects, the machine goes on here as if nothing had been, with `ERR_KVM_MIGRATION` (the stream has ended, or the other side
   * refuses), `ERR_KVM_MIGRATION_SLOW` (the guest writes faster than the stream carries) and the signal's reason. Only with
   * `ERR_KVM_MIGRATION_IN_DOUBT` it stands still, since it may go on there: {@link resume} or {@link close} it when you know.
   */
  async migrate(stream: Duplex, options: MigrateOptions = {}): Promise<MigrationReport> {
    return this.#moves.migrate(stream, options)
  }

  /** Presses the power button. Returns whether the guest's operating system listens: it should shut down then. */
  powerButton(): boolean {
    const heard = this.#hardware.board.pressPowerButton()
    this.#hardware.observers.tell('powerButton', heard)
    return heard
  }

  /** Ends the run, which then has the outcome `stopped`. Without a run it does nothing. */
  stop(): Promise<void> {
    return this.#lives.end({ kind: 'stopped' })
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
    if (this.closed) throw closedError()
    if (this.#hardware.vcpus.some(({ started, paused }) => started && !paused)) {
      throw new KvmError('ERR_KVM_RUNNING', 'the machine is running; pause() it first')
    }
    return examine({ ...remainsOf(this.#lives.present.outcome), ...this.#hardware.remains() }, symbols, disassembler)
  }

  /** Closes the machine. A run ends at once, with the outcome `stopped`. Closing again does nothing. */
  close(): void {
    if (this.closed) return
    this.#moves.abort(closedError())
    const { hasRun } = this.#lives
    this.#lives.close(() => {
      this.#hardware.closeVm()
    })
    if (this.#options.kvm === undefined) this.#kvm.close()
    // Else the run tells them.
    const late = hasRun ? [] : this.#tellEnd().thrown
    this.#stopWaiting?.()
    if (late.length > 0) throw failure(late, late.length)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  get #whole(): Moving {
    return { lives: this.#lives, hardware: this.#hardware }
  }

  async #restore(origin: MachineOrigin): Promise<void> {
    // What a reset brings back is a new machine, not this state.
    if (this.#options.onReset !== 'end') this.#hardware.board.remember()
    await this.#hardware.restore(origin)
  }

  /** Tells the devices, and waits for those that are not ready. Returns what they throw. */
  async #over(): Promise<unknown[]> {
    const { thrown, settled } = this.#tellEnd()
    if (this.closed) return thrown
    const closed = new Promise<unknown[]>((resolve) => {
      this.#stopWaiting = () => {
        resolve(thrown)
      }
    })
    return Promise.race([settled, closed])
  }

  /** The machine is over: devices let go of what they hold. */
  #tellEnd() {
    const devices = this.#hardware.closeDevices()
    const others = tellEnd(this.#options)
    const settled = Promise.all([devices.settled, others.settled]).then((errors) => errors.flat())
    return { thrown: [...devices.thrown, ...others.thrown], settled }
  }
}

function checkOrigin(origin: unknown): void {
  if (typeof origin === 'object' && origin !== null && 'state' in origin && 'open' in origin) return
  throw invalidArgument('origin', origin, 'a Template, an open Snapshot or another MachineOrigin')
}

/** What a post-mortem says first. */
function remainsOf(outcome: Outcome | undefined) {
  const host = outcome !== undefined && mayBeOfTheHost(outcome) ? hostToBlame() : undefined
  return {
    ...(outcome === undefined ? {} : { outcome: outcome.kind }),
    summary: outcome === undefined ? 'the run has no outcome' : describeOutcome(outcome),
    ...(host === undefined ? {} : { host }),
    vcpu: outcome?.at.vcpu ?? 0,
  }
}

/** Tells what was given to a machine that it is over. */
function tellEnd({ devices }: CheckedMachineOptions) {
  return callAllAsync(devices.map((device) => () => (isNode(device) ? undefined : promised(device.ended?.()))))
}
