import { SymbolTable } from '../inspect/index.js'
import type { GuestConsole, MachineOptions } from '../machine/index.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { checkPatterns, LINUX_FAILURES } from './failure-patterns.js'

export interface BootOnceOptions {
  /**
   * Returns the options of the machine, with a line of it that has the console: `serial({ console })`. It is called for the machine that boots, and
   * for each fork, which gets its devices anew. `backing` is `memfd` and `onReset` is `end` unless it says otherwise.
   */
  machine: (console: GuestConsole) => MachineOptions
  /** What the guest writes when it is ready, such as a prompt. Each fork goes on behind it. */
  ready: string | RegExp
  /** How long the guest may take to be ready, in milliseconds: 1 to 2³¹ - 1. Default: 60 s. */
  bootTimeout?: number
  /** How long each fork may run, in milliseconds: 1 to 2³¹ - 1. Default: 4 s, less than the 5 s that Vitest gives a test. */
  timeout?: number
  /** Lines on the console with which a guest fails its test. A pattern sees the first 1024 characters of a line. Default: `LINUX_FAILURES`. */
  failures?: Iterable<RegExp>
  /** The guest's symbols: names for the calls that a failure shows. */
  symbols?: SymbolTable
  /** How many characters of a guest's output are kept: 4096 to 2²⁸, by default 1 Mi. It bounds what a command's output can be. */
  keep?: number
}

export interface CheckedBootOnceOptions {
  machine: BootOnceOptions['machine']
  ready: string | RegExp
  bootTimeout: number
  timeout: number
  failures: readonly RegExp[]
  symbols: SymbolTable | undefined
  keep: number
}

const DEFAULT_BOOT_TIMEOUT = 60_000
const DEFAULT_TIMEOUT = 4000
export const MAX_TIMEOUT = 2 ** 31 - 1
const DEFAULT_KEEP = 2 ** 20
const MOST_KEEP = 2 ** 28
const LEAST_KEEP = 4096
const KNOWN = ['machine', 'ready', 'bootTimeout', 'timeout', 'failures', 'symbols', 'keep']

export function checkBootOnceOptions(options: BootOnceOptions): CheckedBootOnceOptions {
  checkOptions('options', options, KNOWN)
  const { machine, ready, bootTimeout, timeout, failures, symbols, keep } = options
  if (typeof machine !== 'function') {
    throw invalidArgument('machine', machine, 'a function that returns the options of a machine')
  }
  if (!(typeof ready === 'string' && ready !== '') && !(ready instanceof RegExp)) {
    throw invalidArgument('ready', ready, 'a string that is not empty, or a regular expression')
  }
  return {
    machine,
    ready,
    bootTimeout: checkInteger('bootTimeout', bootTimeout ?? DEFAULT_BOOT_TIMEOUT, 1, MAX_TIMEOUT),
    timeout: checkInteger('timeout', timeout ?? DEFAULT_TIMEOUT, 1, MAX_TIMEOUT),
    failures: checkPatterns('failures', failures ?? LINUX_FAILURES),
    symbols: checkSymbols(symbols),
    keep: checkInteger('keep', keep ?? DEFAULT_KEEP, LEAST_KEEP, MOST_KEEP),
  }
}

export function checkSymbols(symbols: SymbolTable | undefined): SymbolTable | undefined {
  if (symbols === undefined || symbols instanceof SymbolTable) return symbols
  throw invalidArgument('symbols', symbols, 'what readSymbols() returns')
}
