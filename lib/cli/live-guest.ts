import type { Command } from 'commander'
import { KvmError } from '../index.js'
import type { SymbolTable } from '../inspect/index.js'
import { type Machine, type MachineOptions, type Outcome, serial, virtioConsole } from '../machine/index.js'
import { openTraceFile, type Outlets } from './outlets.js'
import { inspection, type RunReport } from './report.js'
import type { GuestOptions } from './run-options.js'
import { firmwareLog, named } from './run-source.js'
import type { EndingSignals } from './signals.js'
import { Snapshots } from './snapshots.js'
import { openTerminal } from './terminal.js'
import { traceLine } from './trace-exits.js'
import { type Transport, VirtioDevices } from './virtio-devices.js'

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

/** How a guest comes to be: it is booted, or restored. */
export interface Beginning {
  /** Whether there is a device for what firmware says of itself. */
  readonly firmwareLog: boolean
  /** How virtio devices reach the guest, where the command line does not say. */
  readonly transport: Transport
  create(devices: MachineDevices, virtio: VirtioDevices): Promise<Machine>
}

type MachineDevices = NonNullable<MachineOptions['devices']>

/** One guest from its beginning to its end, with its console on this terminal. */
export async function liveGuest(beginning: Beginning, options: GuestOptions, around: Surroundings): Promise<RunReport> {
  const { outlets, signals } = around
  const { stdout, stderr } = outlets
  const say = (text: string) => {
    stderr.line(`[${text.replaceAll('\n', '\n ')}]`)
  }
  const terminal = openTerminal(say)
  const output = (bytes: Uint8Array) => {
    stdout.write(bytes)
  }
  const ends = { output, input: terminal.input }
  const transport = options.virtio ?? beginning.transport
  const hvc = options.console === 'virtio' ? virtioConsole({ ...ends, transport }) : undefined
  const line = hvc ?? serial(ends)
  const { timeout } = options
  const virtio = new VirtioDevices(options, transport, say)
  const log = beginning.firmwareLog ? [firmwareLog(output)] : []
  const machine = await createMachine(around.command, virtio, () => beginning.create([...log, line, virtio], virtio))
  const snapshots = new Snapshots(machine, options.snapshotTo, say)
  try {
    const symbols = options.symbols === undefined ? {} : { symbols: await readSymbols(options.symbols) }
    trace(machine, options, outlets)
    const stop = () => void machine.stop()
    // Who reads it may go, as `head` does; a disk may be full.
    for (const outlet of [stdout, stderr, outlets.trace]) if (outlet !== undefined) outlet.onError = stop
    signals.end = stop
    const resize = hvc === undefined ? {} : { resize: hvc.resize.bind(hvc) }
    const snapshot = () => void snapshots.take()
    terminal.attach({ stop, powerButton: () => machine.powerButton(), snapshot, ...resize })
    const outcome = await machine.run(timeout === undefined ? {} : { timeout: timeout * 1000 })
    const postMortem = UNEXPECTED.includes(outcome.kind) ? await machine.postMortem(symbols) : undefined
    const vcpus = machine.vm.vcpus.map(({ id, stats }) => ({ id, ...stats }))
    const signal = outcome.kind === 'stopped' ? signals.received : undefined
    return { outcome, vcpus, lost: line.lost, postMortem, signal }
  } finally {
    signals.end = undefined
    terminal.close()
    await snapshots.close()
    machine.close()
  }
}

/** The machine checks its own options, before anything is read: they are the command line's. */
async function createMachine(
  command: Command,
  devices: VirtioDevices,
  create: () => Promise<Machine>,
): Promise<Machine> {
  try {
    return await create()
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

function trace(machine: Machine, { traceExits, traceFile }: GuestOptions, outlets: Outlets): void {
  if (traceFile !== undefined) outlets.trace = openTraceFile(traceFile)
  else if (!traceExits) return
  const outlet = outlets.trace ?? outlets.stderr
  machine.observe({
    exit: ({ vcpu, exit }) => {
      outlet.line(traceLine(vcpu, exit))
    },
  })
}
