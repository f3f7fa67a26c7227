import { KvmError } from '../errors.js'
import type { SymbolTable } from '../inspect/index.js'
import type { MachineOptions, RestoreOptions, Template } from '../machine/index.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { type CheckedBootOnceOptions, checkSymbols, MAX_TIMEOUT } from './options.js'
import { GuestUnderTest } from './guest-under-test.js'
import { Watch, type WatchOptions } from './watch.js'
import { WatchedConsole } from './watched-console.js'

export interface ForkOptions {
  /** How long this fork may run, in milliseconds: 1 to 2³¹ - 1. Default: that of {@link bootOnce}. */
  timeout?: number
  /** Ends the fork with the signal's reason: Vitest and node:test give each test a signal. */
  signal?: AbortSignal
  /** The guest's symbols, where they are known only after it has booted. Default: those of {@link bootOnce}. */
  symbols?: SymbolTable
}

/** A guest that has booted, to be forked. It holds memory until it is closed. */
export class WarmGuest {
  /** What the guest wrote until it was ready, that text included; of much, the end. */
  readonly bootText: string
  readonly #template: Template
  readonly #options: CheckedBootOnceOptions
  readonly #since: string
  // Those that run, and all that are not over.
  readonly #watches = new Set<Watch>()
  readonly #runs = new Set<Promise<unknown>>()

  /** @internal */
  constructor(template: Template, options: CheckedBootOnceOptions, text: { bootText: string; since: string }) {
    this.#template = template
    this.#options = options
    this.bootText = text.bootText
    this.#since = text.since
  }

  /**
   * Makes a fork of the guest, which goes on behind the ready text, and gives it to the test. It is closed when the test is over, whatever
   * way. Several forks can run at once. Resolves with what the test does.
   *
   * Rejects with what the test throws: its message then also says what the guest was doing, and {@link remainsOf} has all of it. As soon as the
   * guest panics, dies otherwise or has run too long it rejects with `ERR_KVM_GUEST_FAILED`, without waiting for the test; with `ERR_KVM_CLOSED` after
   * {@link close}, or with the signal's reason.
   */
  async fork<T>(test: (guest: GuestUnderTest) => T | Promise<T>, options: ForkOptions = {}): Promise<T> {
    if (typeof test !== 'function') throw invalidArgument('test', test, 'a function, which gets the guest')
    const { timeout = this.#options.timeout } = checkOptions('options', options, ['timeout', 'signal', 'symbols'])
    const limit = checkInteger('timeout', timeout, 1, MAX_TIMEOUT)
    const { signal } = options
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw invalidArgument('signal', signal, 'an AbortSignal')
    }
    signal?.throwIfAborted()
    const symbols = checkSymbols(options.symbols ?? this.#options.symbols)
    const run = this.#run(test, { timeout: limit, symbols }, signal)
    this.#runs.add(run)
    try {
      return await run
    } finally {
      this.#runs.delete(run)
    }
  }

  /** Ends the forks that are running; they reject with `ERR_KVM_CLOSED`. Resolves when all are closed. Closing again does nothing. */
  async close(): Promise<void> {
    this.#template.close()
    const error = new KvmError('ERR_KVM_CLOSED', 'the warm guest has been closed while a fork of it ran')
    for (const watch of this.#watches) watch.end(error)
    await Promise.allSettled(this.#runs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #run<T>(
    test: (guest: GuestUnderTest) => T | Promise<T>,
    watched: WatchOptions,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { failures, keep, machine: describe } = this.#options
    const console = new WatchedConsole(failures, { keep })
    const machine = await this.#template.fork(forkOptions(describe(console)))
    try {
      this.#template.checkOpen()
      signal?.throwIfAborted()
      console.receive(Buffer.from(this.#since))
      const watch = new Watch(machine, console, watched)
      return await this.#among(watch, signal, async () => test(new GuestUnderTest(watch)))
    } finally {
      machine.close()
    }
  }

  /** Among those that close() and the signal end. */
  async #among<T>(watch: Watch, signal: AbortSignal | undefined, test: () => Promise<T>): Promise<T> {
    const abort = () => {
      watch.end(signal?.reason)
    }
    this.#watches.add(watch)
    signal?.addEventListener('abort', abort)
    try {
      return await watch.during(test)
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#watches.delete(watch)
    }
  }
}

/** Of the machine's options those that a fork does not have already. Without `onReset` a reset ends the fork, and nothing need be read for it. */
function forkOptions(options: MachineOptions): RestoreOptions {
  const { devices, onReset = 'end', pausedClock, strict, kvm, boot, memoryMap } = options
  return {
    onReset,
    ...(onReset === 'end' ? {} : { boot }),
    ...(devices === undefined ? {} : { devices }),
    ...(pausedClock === undefined ? {} : { pausedClock }),
    ...(strict === undefined ? {} : { strict }),
    ...(kvm === undefined ? {} : { kvm }),
    ...(memoryMap?.regions === undefined ? {} : { regions: memoryMap.regions }),
  }
}
