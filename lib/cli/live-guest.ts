import type { Command } from 'commander'
import { KvmError } from '../index.js'
import type { SymbolTable } from '../inspect/index.js'
import { Machine, type MachineOptions, type Outcome, serial, virtioConsole } from '../machine/index.js'
import { openTraceFile, type Outlets } from './outlets.js'
import { inspection, type RunReport } from './report.js'
import type { RunOptions } from './run-options.js'
import { bootSource, firmwareLog, named } from './run-source.js'
import type { EndingSignals } from './signals.js'
import type { BootFile } from './source-options.js'
import { openTerminal } from './terminal.js'
import { traceLine } from './trace-exits.js'
import { transportOf, VirtioDevices } from './virtio-devices.js'

/** After these it is said what the guest was doing. */
const UNEXPECTED: readonly Outcome['kind'][] = ['panic', 'triple-fault', 'kvm-error', 'halted', 'timeout']

/** Options whose values the machine checks, by its names for them; and what is to be said in addition. */
const CHECKED_BY_MACHINE = new Map<unknown, string>([
  ['cpus', ''],
  ['memory', ' (in bytes; 512M is 512 MiB)'],
  ['address', ''],
])

/** What a guest on the command line has around it. */
interface Surroundings {
  command: Command
  outlets: Outlets
  signals: EndingSignals
}

/** One guest from its boot to its end, with its console on this terminal. */
export async function liveGuest(file: BootFile, options: RunOptions, around: Surroundings): Promise<RunReport> {
  const { command, outlets, signals } = around
  const { stdout, stderr } = outlets
  const terminal = openTerminal((text) => {
    stderr.line(`[${text.replaceAll('\n', '\n ')}]`)
  })
  const output = (bytes: Uint8Array) => {
    stdout.write(bytes)
  }
  const ends = { output, input: terminal.input }
  const hvc = options.console === 'virtio' ? virtioConsole({ ...ends, transport: transportOf(options) }) : undefined
  const line = hvc ?? serial(ends)
  const { cpus, memory, timeout } = options
  const devices = new VirtioDevices(options, (text) => {
    stderr.line(`[${text}]`)
  })
  const machine = await createMachine(command, devices, {
    cpus,
    memory,
    boot: devices.before(bootSource(file, options, command)),
    devices: [...(file.kind === 'firmware' ? [firmwareLog(output)] : []), line, devices],
    onReset: options.reboot ? 'boot' : 'end',
  })
  try {
    const symbols = options.symbols === undefined ? {} : { symbols: await readSymbols(options.symbols) }
    trace(machine, options, outlets)
    const stop = () => void machine.stop()
    // Who reads it may go, as `head` does; a disk may be full.
    for (const outlet of [stdout, stderr, outlets.trace]) if (outlet !== undefined) outlet.onError = stop
    signals.end = stop
    const resize = hvc === undefined ? {} : { resize: hvc.resize.bind(hvc) }
    terminal.attach({ stop, powerButton: () => machine.powerButton(), ...resize })
    const outcome = await machine.run(timeout === undefined ? {} : { timeout: timeout * 1000 })
    const postMortem = UNEXPECTED.includes(outcome.kind) ? await machine.postMortem(symbols) : undefined
    const vcpus = machine.vm.vcpus.map(({ id, stats }) => ({ id, ...stats }))
    const signal = outcome.kind === 'stopped' ? signals.received : undefined
    return { outcome, vcpus, lost: line.lost, postMortem, signal }
  } finally {
    signals.end = undefined
    terminal.close()
    machine.close()
  }
}

/** The machine checks its own options, before anything is read: they are the command line's. */
async function createMachine(command: Command, devices: VirtioDevices, options: MachineOptions): Promise<Machine> {
  try {
    return await Machine.create(options)
  } catch (error) {
    await devices.close()
    if (!(error instanceof KvmError) || error.code !== 'ERR_KVM_INVALID_ARGUMENT') throw error
    const more = CHECKED_BY_MACHINE.get(error.operands['argument'])
    command.error(more === undefined ? `error: ${error.message}` : `error: --${error.message}${more}`)
  }
}

async function readSymbols(path: string): Promise<SymbolTable> {
  try {
    return await (await inspection()).readSymbols(path)
  } catch (error) {
    throw named(error, path)
  }
}

function trace(machine: Machine, { traceExits, traceFile }: RunOptions, outlets: Outlets): void {
  if (traceFile !== undefined) outlets.trace = openTraceFile(traceFile)
  else if (!traceExits) return
  const outlet = outlets.trace ?? outlets.stderr
  machine.observe({
    exit: ({ vcpu, exit }) => {
      outlet.line(traceLine(vcpu, exit))
    },
  })
}
