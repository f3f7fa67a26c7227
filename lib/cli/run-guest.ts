import { type Command, CommanderError } from 'commander'
import { formatError } from './format-error.js'
import { type Beginning, liveGuest } from './live-guest.js'
import type { Patience } from './outlet.js'
import { openOutlets, type Outlets } from './outlets.js'
import { formatReport, type RunReport } from './report.js'
import type { GuestOptions } from './run-options.js'
import { EndingSignals, statusOf } from './signals.js'

/** How the command ends, by outcome. All are even: a guest's own code, through the exit port, is odd. */
const RUN_STATUS = {
  'power-off': 0,
  reset: 0,
  stopped: 0,
  migrated: 0,
  suspend: 0,
  panic: 4,
  'triple-fault': 6,
  'kvm-error': 8,
  halted: 10,
  timeout: 124,
} as const

/** How long it is waited for readers: after a guest that has ended by itself, and after one that was ended from outside. */
const PATIENT: Patience = { idle: 5000, total: Infinity }
const HASTY: Patience = { idle: 1000, total: 1000 }

/** A guest of the command line, to its end, with all that is said of it. */
export async function runGuest(beginning: Beginning, options: GuestOptions, command: Command): Promise<void> {
  const outlets = openOutlets()
  const signals = new EndingSignals()
  let report: RunReport | undefined
  let error: unknown
  try {
    report = await liveGuest(beginning, options, { command, outlets, signals })
  } catch (caught) {
    // Commander has printed it.
    if (caught instanceof CommanderError) throw caught
    error = caught
  }
  const patience = report?.signal === undefined && report?.outcome.kind !== 'timeout' ? PATIENT : HASTY
  error = (await drain(outlets, patience)) ?? error
  await say(report, error, outlets, options.json === true)
  error = (await drain(outlets, patience)) ?? error
  signals.close()
  process.exitCode = exitStatus(report, error, options)
}

/** Lets out what has been printed. Returns why that was not possible. */
async function drain({ stdout, stderr, trace }: Outlets, patience: Patience): Promise<Error | undefined> {
  await Promise.all([stdout.drain(patience), stderr.drain(patience), trace?.drain(patience)])
  return stdout.error ?? trace?.error ?? stderr.error
}

async function say(report: RunReport | undefined, error: unknown, outlets: Outlets, json: boolean): Promise<void> {
  const { stdout, stderr, trace } = outlets
  const dropped = {
    bytes: stdout.droppedBytes + (report?.lost ?? 0),
    lines: stderr.droppedLines + (trace?.droppedLines ?? 0),
  }
  const failed = report === undefined || error !== undefined
  const text = failed ? formatError(error, json) : await formatReport(report, dropped, json)
  if (text !== undefined) stderr.line(text)
}

function exitStatus(report: RunReport | undefined, error: unknown, { success }: GuestOptions): number {
  // Also when it cannot be said any more: with its terminal the process gets SIGHUP.
  if (report?.signal !== undefined) return statusOf(report.signal)
  if (report === undefined || error !== undefined) return 1
  const { outcome } = report
  if (outcome.kind === 'exit') return outcome.value === success ? 0 : outcome.code
  return RUN_STATUS[outcome.kind]
}
