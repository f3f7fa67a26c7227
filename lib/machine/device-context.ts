import type { Clock, Schedule } from '../bus/clock.js'
import type { DeviceContext, MachineEffects } from '../bus/device-context.js'
import { type InterruptLine, SharedInterruptLine } from '../bus/interrupt-line.js'
import type { Vm } from '../kvm/vm.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import type { PlacedHardware } from '../platform/node.js'
import { checkInteger, invalidArgument } from '../validate.js'

/** What the devices of a machine share. */
export interface Surroundings {
  vm: Vm
  memory: DeviceMemory
  clock: Clock
  schedule: Schedule
  effects: MachineEffects
  /** The vCPU whose exit is being handled. */
  vcpu: () => number | undefined
  fail: (error: unknown) => void
}

/** The interrupt lines of a machine; each is high while any of the devices at it says so. */
export class InterruptLines {
  readonly #vm: Vm
  readonly #lines = new Map<number, SharedInterruptLine>()

  constructor(vm: Vm) {
    this.#vm = vm
  }

  /** A device's own end of that line. */
  source(gsi: number): InterruptLine {
    let line = this.#lines.get(gsi)
    if (line === undefined) {
      line = new SharedInterruptLine({
        set: (level) => {
          if (!this.#vm.closed) this.#vm.irqLine(gsi, level)
        },
      })
      this.#lines.set(gsi, line)
    }
    return line.source()
  }
}

/** What one device gets of it. */
export function deviceContext(node: PlacedHardware, around: Surroundings, lines: InterruptLines): DeviceContext {
  const { vm, vcpu, memory, clock, schedule, effects, fail } = around
  const gsis = node.resources.flatMap(({ gsi }) => (gsi === undefined ? [] : [gsi]))
  return {
    name: node.name,
    memory,
    clock,
    schedule,
    effects,
    get vcpu() {
      return vcpu()
    },
    fail,
    interrupt(index = 0) {
      const gsi = gsis[checkInteger('index', index, 0, 0xff)]
      if (gsi === undefined)
        throw invalidArgument('index', index, `one of the ${gsis.length} interrupts of ${node.name}`)
      return lines.source(gsi)
    },
    doorbell({ offset, length, value }, ring) {
      const options = { ...addressOf(node, offset), ...(length === undefined ? {} : { length }) }
      return vm.ioeventfd(value === undefined ? options : { ...options, datamatch: value }, ring)
    },
  }
}

/** Where a register of the device is. */
function addressOf(node: PlacedHardware, offset: number): { port: number } | { address: number } {
  checkInteger('offset', offset, 0, Number.MAX_SAFE_INTEGER)
  for (const resource of node.resources) {
    if (resource.gsi !== undefined) continue
    const { length, offset: first = 0 } = resource
    if (offset < first || offset >= first + length) continue
    if (resource.port !== undefined) return { port: resource.port + offset - first }
    return { address: resource.memory + offset - first }
  }
  throw invalidArgument('offset', offset, `within the registers of ${node.name}`)
}
