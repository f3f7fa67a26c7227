import type { AddressRange } from '../arch/x86/memory-layout.js'
import { KvmError } from '../errors.js'
import { invalidArgument } from '../validate.js'
import { checkNode } from './check-node.js'
import { Claims } from './claims.js'
import { usualTrigger } from './interrupt-lines.js'
import type { AcpiName, HardwareNode, NodeResource, PlacedHardware, PlacedResource, Trigger } from './node.js'

export interface PlatformOptions {
  /** Where `any` puts ports. Default: 0x1000 to 0x2000. */
  ports?: AddressRange
  /** Where `any` puts memory. Default: 0xd0000000 to 0xe0000000. */
  memory?: AddressRange
  /** Which interrupt lines `any` may be, the first free one first. Default: 16 to 23, and then the ISA bus's 5, 10 and 11. */
  lines?: readonly number[]
}

const PORT_WINDOW = { start: 0x1000, end: 0x2000 }
const MEMORY_WINDOW = { start: 0xd000_0000, end: 0xe000_0000 }
const FREE_LINES = [16, 17, 18, 19, 20, 21, 22, 23, 5, 10, 11]
const PAGE = 0x1000

/** Who has an interrupt line first, and how. */
interface Line {
  node: HardwareNode
  trigger: Trigger
}

/** Who has what. */
interface Taken {
  port: Claims
  memory: Claims
  lines: Map<number, Line>
}

/**
 * What a machine consists of, each in its place: hands out ports, memory and interrupt lines, each once. What the guest is told
 * of it ({@link loadAcpiTables}, {@link loadMpTable}, {@link loadBiosDataArea}) is written from its {@link nodes}.
 */
export class Platform {
  readonly #freeLines: readonly number[]
  #taken: Taken
  #nodes: PlacedHardware[] = []

  constructor(options: PlatformOptions = {}) {
    const { ports = PORT_WINDOW, memory = MEMORY_WINDOW, lines = FREE_LINES } = options
    this.#freeLines = lines
    this.#taken = {
      port: new Claims({ name: 'port', window: ports, alignment: 1 }),
      memory: new Claims({ name: 'memory', window: memory, alignment: PAGE }),
      lines: new Map(),
    }
  }

  /** In the order in which they came; without those that have given way. */
  get nodes(): readonly PlacedHardware[] {
    return this.#nodes
  }

  /**
   * Finds it a place. Throws `ERR_KVM_BUS_OVERLAP` where something else has the place that it asks for,
   * `ERR_KVM_LINE_CONFLICT` where the interrupt line is another device's with another trigger, and `ERR_KVM_NO_RESOURCE`
   * where nothing is left. Nothing has changed then.
   */
  add<Node extends HardwareNode>(node: Node): Node & PlacedHardware {
    return this.addAll([node])[0] as Node & PlacedHardware
  }

  /** The same for several at once: what says its place gets it before `any` is chosen, whatever the order. */
  addAll<Node extends HardwareNode>(nodes: readonly Node[]): (Node & PlacedHardware)[] {
    const taken = copy(this.#taken)
    const names = new Set(this.#nodes.map(({ name }) => name))
    const yielding = new Set<string>()
    for (const node of nodes) {
      checkNode(node)
      if (names.has(node.name)) {
        throw invalidArgument('name', node.name, 'a name that no other device of the machine has')
      }
      names.add(node.name)
      for (const resource of node.resources) {
        for (const other of claimFixed(taken, node, resource)) yielding.add(other.name)
      }
    }
    const placed: (Node & PlacedHardware)[] = nodes.map((node) => ({
      ...node,
      resources: node.resources.map((resource) => this.#place(taken, node, resource)),
    }))
    const all = [...this.#nodes, ...placed]
    checkAcpiNames(all)
    const gone = all.filter(({ name }) => yielding.has(name))
    this.#taken = taken
    this.#nodes = all.filter((node) => !gone.includes(node))
    return placed
  }

  #place(taken: Taken, node: HardwareNode, resource: NodeResource): PlacedResource {
    if (resource.port !== undefined) {
      return { ...resource, port: resource.port === 'any' ? taken.port.choose(node, resource.length) : resource.port }
    }
    if (resource.memory !== undefined) {
      const { memory, length } = resource
      return { ...resource, memory: memory === 'any' ? taken.memory.choose(node, length) : memory }
    }
    const gsi = resource.gsi === 'any' ? this.#chooseLine(taken, node, resource.trigger) : resource.gsi
    return { gsi, trigger: resource.trigger ?? usualTrigger(gsi) }
  }

  #chooseLine({ lines }: Taken, node: HardwareNode, trigger: Trigger | undefined): number {
    const gsi = this.#freeLines.find((line) => !lines.has(line))
    if (gsi === undefined) {
      const problem = `${node.name} needs an interrupt line, and none is free; devices share one by naming the same gsi`
      throw new KvmError('ERR_KVM_NO_RESOURCE', problem, { operands: { node: node.name, resource: 'gsi' } })
    }
    lines.set(gsi, { node, trigger: trigger ?? usualTrigger(gsi) })
    return gsi
  }
}

const copy = ({ port, memory, lines }: Taken): Taken => ({
  port: port.copy(),
  memory: memory.copy(),
  lines: new Map(lines),
})

/** Takes what a resource asks for by its number. Returns the nodes that give way. */
function claimFixed(taken: Taken, node: HardwareNode, resource: NodeResource): HardwareNode[] {
  if (resource.gsi !== undefined) {
    if (resource.gsi !== 'any') claimLine(taken, node, resource.gsi, resource.trigger ?? usualTrigger(resource.gsi))
    return []
  }
  const [claims, start] = resource.port === undefined ? [taken.memory, resource.memory] : [taken.port, resource.port]
  if (start === 'any') return []
  const yielding = claims.claim(node, start, resource.length)
  for (const each of [taken.port, taken.memory]) each.drop(yielding)
  return yielding
}

function claimLine({ lines }: Taken, node: HardwareNode, gsi: number, trigger: Trigger): void {
  const line = lines.get(gsi)
  if (line === undefined) lines.set(gsi, { node, trigger })
  else if (line.trigger !== trigger) {
    const problem = `${node.name} wants interrupt line ${gsi} ${trigger}-triggered, and ${line.node.name} has it ${line.trigger}-triggered`
    throw new KvmError('ERR_KVM_LINE_CONFLICT', problem, {
      operands: { node: node.name, other: line.node.name, gsi, trigger },
    })
  }
}

/** No two devices of the tables have the same name. */
function checkAcpiNames(nodes: readonly HardwareNode[]): void {
  const owners = new Map<string, string>()
  for (const { name, acpi } of nodes) {
    const path = (acpi as AcpiName | undefined)?.name?.padEnd(4, '_')
    if (path === undefined) continue
    const owner = owners.get(path)
    if (owner !== undefined) throw invalidArgument(`acpi.name of ${name}`, path, `another than that of ${owner}`)
    owners.set(path, name)
  }
}
