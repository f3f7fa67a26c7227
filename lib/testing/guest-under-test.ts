import { KvmError } from '../errors.js'
import { quote } from '../format.js'
import type { GuestConsole, Machine, Outcome } from '../machine/index.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { MAX_TIMEOUT } from './options.js'
import { shellCommand } from './shell-command.js'
import type { StandingStill } from './standing-still.js'
import type { Watch } from './watch.js'

export interface CommandOptions {
  /** In milliseconds, 1 to 2³¹ - 1. Default: none but that of the fork. */
  timeout?: number
}

export interface CommandResult {
  /** The exit status, 0 to 255. */
  status: number
  /** What the command, and whoever else wrote to the console meanwhile, has written; of much the end, see {@link truncated}. */
  output: string
  /** Whether there was more than the console keeps, and the beginning is lost. */
  truncated: boolean
}

type Registers = ReturnType<Machine['vm']['vcpus'][number]['getRegs']>

const MAX_COMMAND = 64 * 1024
const SHOWN_COMMAND = 80

/** A test's own guest: a fork that runs. It is closed when the test is over. */
export class GuestUnderTest {
  readonly machine: Machine
  /** What the guest has written since the ready point; and a keyboard. */
  readonly console: GuestConsole
  /** Resolves when the guest ends. One that panics, or dies otherwise, fails the test, too. */
  readonly ended: Promise<Outcome>
  readonly #still: StandingStill
  // One command at a time: there is one shell.
  #turn: Promise<unknown> = Promise.resolve()

  /** @internal */
  constructor({ machine, console, ended, still }: Watch) {
    this.machine = machine
    this.console = console
    this.ended = ended
    this.#still = still
  }

  /** The guest's memory, by physical address. The guest may be writing to it. */
  get memory(): Machine['vm']['memory'] {
    return this.machine.vm.memory
  }

  /** The general registers of a vCPU, by number. The machine is paused while they are read. */
  async registers(vcpu = 0): Promise<Registers> {
    const { vcpus } = this.machine.vm
    const one = vcpus[checkInteger('vcpu', vcpu, 0, vcpus.length - 1)]
    if (one === undefined) throw invalidArgument('vcpu', vcpu, 'the number of a vCPU')
    return this.#still.during(() => ({ ...one.getRegs() }))
  }

  /**
   * Has the POSIX shell at which the guest waits run a command, with nothing to read, and waits for its end. Each command is run by a shell of its own
   * (`sh -c`): a `cd` does not outlive it. A status other than 0 is a value, and no error. At most 64 KiB.
   *
   * Rejects with `ERR_KVM_EXPECT_TIMEOUT`, after which the shell may still be busy, and with `ERR_KVM_GUEST_ENDED`.
   */
  async run(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    if (typeof command !== 'string' || command.length > MAX_COMMAND || command.includes('\0')) {
      throw invalidArgument('command', command, `a string of at most ${MAX_COMMAND} characters, none of them NUL`)
    }
    const { timeout = MAX_TIMEOUT } = checkOptions('options', options, ['timeout'])
    const limit = checkInteger('timeout', timeout, 1, MAX_TIMEOUT)
    const before = this.#turn
    const done = before.then(() => this.#type(command, limit))
    this.#turn = done.catch(() => undefined)
    try {
      return await done
    } catch (error) {
      throw describeFailure(error, command, limit)
    }
  }

  async #type(command: string, timeout: number): Promise<CommandResult> {
    const { typed, begin, end } = shellCommand(command)
    this.console.send(typed)
    const { before, groups } = await this.console.expect(end, { timeout })
    const start = before.indexOf(begin)
    const output = start < 0 ? before : before.slice(start + begin.length)
    return { status: Number(groups[0]), output, truncated: start < 0 }
  }
}

/** Thrown anew, so that the stack leads to the test. */
function describeFailure(error: unknown, command: string, timeout: number): unknown {
  if (!(error instanceof KvmError)) return error
  const { code, operands } = error
  const details = { operands: { ...operands, command }, cause: error }
  const shown = quote(command, SHOWN_COMMAND)
  if (code === 'ERR_KVM_GUEST_ENDED')
    return new KvmError(code, `the guest ended before the command ${shown} did`, details)
  if (code !== 'ERR_KVM_EXPECT_TIMEOUT') return error
  return new KvmError(code, `the command ${shown} did not end within ${timeout} ms`, details)
}
