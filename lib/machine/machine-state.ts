import { memoryLayout } from '../arch/x86/memory-layout.js'
import { KvmError } from '../errors.js'
import { StateReader, type Versioned } from '../state.js'
import { REGION_KINDS, type SavedRegion } from './machine-memory.js'
import type { CheckedMachineOptions, MachineOptions } from './options.js'
import type { SavedDevice } from './saved-devices.js'

/** What a machine was made with and has to be made with again. */
export type MachineShape = Required<Pick<MachineOptions, 'cpus' | 'memory' | 'timer' | 'pci' | 'suspend' | 'fwCfg'>> & {
  memory: number
  hole: { start: number; end: number }
  reserved: { start: number; end: number }[]
}

/** All of a machine but the content of its memory, as data that JSON can carry. */
export interface MachineState extends Versioned {
  /** As Node calls it: `x64`. */
  architecture: string
  shape: MachineShape
  /** What its own clock shows, in nanoseconds. */
  clock: string
  /** Processors, interrupt controllers and clocks, as KVM holds them. */
  board: object
  /** In the order in which they were put in. */
  devices: SavedDevice[]
  /** Where its memory is, lowest address first. */
  memory: SavedRegion[]
}

export const MACHINE_STATE_VERSION = 1

const MAX_CPUS = 16
const MAX_REGIONS = 512
const MAX_RESERVED = 128
const ADDRESS_END = 2 ** 52
const PAGE = 4096

/** What of its options has to be the same when a machine is restored. */
export function shapeOf(options: CheckedMachineOptions): MachineShape {
  const { cpus, memory, layout, reserved, timer, pci, suspend, fwCfg } = options
  return { cpus, memory, hole: { ...layout.hole }, reserved: [...reserved], timer, pci, suspend, fwCfg }
}

/** Checks all of a saved machine but what its board and its devices check. Throws `ERR_KVM_INVALID_STATE`. */
export function readMachineState(state: unknown): MachineState {
  const reader = new StateReader('the machine', state, MACHINE_STATE_VERSION)
  const shape = readShape(reader.part('shape'))
  const memory = readRegions(reader)
  const ram = memory.filter(({ kind }) => kind === 'ram').map(({ at, size }) => ({ at, size }))
  const expected = ramOf(shape, reader)
  if (JSON.stringify(ram) !== JSON.stringify(expected)) throw reader.refuse('memory', 'where its shape has RAM')
  return {
    version: MACHINE_STATE_VERSION,
    architecture: reader.oneOf('architecture', [process.arch]),
    shape,
    clock: `0x${reader.uint64('clock').toString(16)}`,
    board: reader.object('board'),
    devices: reader.parts('devices', MAX_REGIONS).map((device) => ({
      name: device.string('name', 64),
      resources: device.list('resources', MAX_REGIONS) as SavedDevice['resources'],
      ...(device.has('state') ? { state: device.object('state') } : {}),
    })),
    memory,
  }
}

/** Where a machine of that shape has RAM. */
function ramOf({ memory, hole, reserved }: MachineShape, reader: StateReader) {
  try {
    return memoryLayout(memory, { hole, reserved }).ram
  } catch (cause) {
    if (cause instanceof KvmError) throw reader.refuse('shape', 'one that a machine can have')
    throw cause
  }
}

function readShape(shape: StateReader): MachineShape {
  const flags = ['timer', 'pci', 'suspend', 'fwCfg'] as const
  const [timer = false, pci = false, suspend = false, fwCfg = false] = flags.map((flag) => shape.boolean(flag))
  return {
    cpus: shape.integer('cpus', MAX_CPUS, 1),
    memory: readPages(shape, 'memory', 2 ** 46),
    hole: readRange(shape.part('hole')),
    reserved: shape.parts('reserved', MAX_RESERVED).map(readRange),
    ...{ timer, pci, suspend, fwCfg },
  }
}

const readRange = (range: StateReader) => ({
  start: range.integer('start', ADDRESS_END),
  end: range.integer('end', ADDRESS_END),
})

/** Where memory is, as the member `memory` says. */
export const readRegions = (reader: StateReader): SavedRegion[] => reader.parts('memory', MAX_REGIONS).map(readRegion)

function readRegion(region: StateReader): SavedRegion {
  const at = readPages(region, 'at', ADDRESS_END)
  return { kind: region.oneOf('kind', REGION_KINDS), at, size: readPages(region, 'size', ADDRESS_END - at, PAGE) }
}

function readPages(reader: StateReader, member: string, max: number, min = 0): number {
  const value = reader.integer(member, max, min)
  if (value % PAGE !== 0) throw reader.refuse(member, `a multiple of ${PAGE}`)
  return value
}
