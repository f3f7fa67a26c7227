import type { Command } from 'commander'
import type { PostMortem } from '../inspect/index.js'
import { describeOutcome, Machine, type Outcome, serial } from '../machine/index.js'
import type { RunOptions } from './run-options.js'
import { readSource, type Source } from './run-source.js'
import { openTerminal } from './terminal.js'
import { traceExits } from './trace-exits.js'

/** How the command ends, by outcome. All are even: a guest's own code, through the exit port, is odd. */
const RUN_STATUS = {
  'power-off': 0,
  reset: 0,
  stopped: 0,
  panic: 4,
  'triple-fault': 6,
  'kvm-error': 8,
  halted: 10,
  timeout: 124,
} as const

/** After these it is said what the guest was doing. */
const UNEXPECTED: readonly Outcome['kind'][] = ['panic', 'triple-fault', 'kvm-error', 'halted', 'timeout']

/** What is loaded only when there is a guest that is unwell. */
const inspection = () => import('../inspect/index.js')

/** Boots what the command line names, to its end. */
export async function runGuest(positional: string | undefined, options: RunOptions, command: Command): Promise<void> {
  const source = await readSource(positional, options, (bytes) => process.stdout.write(bytes), command)
  process.exitCode = await run(source, options)
}

async function run({ boot, devices }: Source, options: RunOptions): Promise<number> {
  const { cpus, memory, timeout } = options
  const symbols = options.symbols === undefined ? undefined : await (await inspection()).readSymbols(options.symbols)
  const terminal = openTerminal()
  const machine = await Machine.create({
    cpus,
    memory,
    boot,
    devices: [...devices, serial({ output: process.stdout, input: terminal.input })],
    onReset: options.reboot ? 'boot' : 'end',
  })
  if (options.traceExits) traceExits()
  terminal.attach({
    stop: () => void machine.stop(),
    powerButton: () => {
      terminal.say(machine.powerButton() ? 'power button pressed' : 'the guest does not listen to the power button')
    },
  })
  // Who reads it may go, as `head` does; a disk may be full.
  let outputError: Error | undefined
  process.stdout.on('error', (error: Error) => {
    outputError = error
    void machine.stop()
  })
  try {
    const outcome = await machine.run(timeout === undefined ? {} : { timeout: timeout * 1000 })
    if (outputError !== undefined) throw outputError
    const unexpected = UNEXPECTED.includes(outcome.kind)
    const postMortem = unexpected ? await machine.postMortem(symbols === undefined ? {} : { symbols }) : undefined
    const vcpus = machine.vm.vcpus.map(({ id, stats }) => ({ id, ...stats }))
    await report({ ...outcome, vcpus }, postMortem, options)
    return outcome.kind === 'exit' ? outcome.code : RUN_STATUS[outcome.kind]
  } finally {
    terminal.close()
    machine.close()
  }
}

async function report(
  outcome: Outcome & { vcpus: object[] },
  postMortem: PostMortem | undefined,
  { json }: RunOptions,
): Promise<void> {
  if (json) {
    const plain = (_key: string, value: unknown) =>
      typeof value === 'bigint'
        ? `0x${value.toString(16)}`
        : value instanceof Uint8Array
          ? Buffer.from(value).toString('hex')
          : value
    console.error(JSON.stringify({ ...outcome, ...(postMortem === undefined ? {} : { postMortem }) }, plain))
  } else if (postMortem !== undefined) {
    const { formatPostMortem } = await inspection()
    console.error(`\nnode-kvm: ${formatPostMortem(postMortem)}`)
  } else if (outcome.kind !== 'power-off') {
    console.error(`\nnode-kvm: ${describeOutcome(outcome)}`)
  }
}
