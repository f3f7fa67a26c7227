import { hex } from '../format.js'
import { checkBoolean, checkInteger, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { EISA_ID, NAME_SEGMENT } from './acpi/aml.js'
import { GSI_COUNT } from './interrupt-lines.js'
import type { AcpiName, HardwareNode, PciRoot } from './node.js'

const PORTS = 0x1_0000
const ADDRESSES = 2 ** 52
const FOUR_GIB = 2 ** 32
/** An I/O port descriptor of ACPI has 8 bits for it. */
const MAX_ACPI_PORTS = 0xff
const ACPI_ID = /^[A-Z0-9]{4}[0-9A-F]{4}$/

/** Checks what a user gave; inside, nodes are right. */
export function checkNode(node: HardwareNode): void {
  checkOptions('node', node, ['name', 'device', 'resources', 'acpi', 'yields'])
  const { name, resources, acpi, yields } = node
  if (typeof name !== 'string' || name === '') throw invalidArgument('name', name, 'a string that is not empty')
  if (!Array.isArray(resources)) throw invalidArgument(`resources of ${name}`, resources, 'an array')
  if (yields !== undefined) checkBoolean(`yields of ${name}`, yields)
  for (const resource of resources as unknown[]) checkResource(name, resource, acpi !== undefined)
  if (acpi === undefined) return
  checkOptions(`acpi of ${name}`, acpi, ['hid', 'name', 'uid', 'hpet', 'ecam', 'pciRoot', 'generationId', 'fixed'])
  if ('fixed' in acpi) checkFixedHardware(node, acpi)
  else checkAcpiName(node, acpi)
}

function checkResource(node: string, resource: unknown, inTables: boolean): void {
  const known = ['port', 'memory', 'gsi', 'length', 'offset', 'trigger']
  const { port, memory, gsi, length, offset, trigger } = checkOptions(`a resource of ${node}`, resource, known)
  if ([port, memory, gsi].filter((place) => place !== undefined).length !== 1) {
    throw invalidArgument(`a resource of ${node}`, resource, 'one with either port, memory or gsi')
  }
  if (gsi !== undefined) {
    if (gsi !== 'any') checkInteger(`gsi of ${node}`, gsi, 0, GSI_COUNT - 1)
    if (trigger !== undefined) checkOneOf(`trigger of ${node}`, trigger, ['edge', 'level'])
    return
  }
  const place = port ?? memory
  const what = port === undefined ? 'memory' : 'port'
  const size = port === undefined ? ADDRESSES : PORTS
  const first = place === 'any' ? 0 : checkInteger(`${what} of ${node}`, place, 0, size - 1)
  const most = port !== undefined && inTables ? MAX_ACPI_PORTS : size
  checkInteger(
    `length of ${node} at ${what} ${place === 'any' ? place : hex(first)}`,
    length,
    1,
    Math.min(most, size - first),
  )
  checkInteger(`offset of ${node}`, offset ?? 0, 0, Number.MAX_SAFE_INTEGER)
}

function checkAcpiName({ name, resources }: HardwareNode, acpi: AcpiName): void {
  checkOptions(`acpi of ${name}`, acpi, ['hid', 'name', 'uid', 'hpet', 'ecam', 'pciRoot', 'generationId'])
  if (!EISA_ID.test(acpi.hid) && !ACPI_ID.test(acpi.hid)) {
    throw invalidArgument(`acpi.hid of ${name}`, acpi.hid, 'a PNP or ACPI identifier')
  }
  if (acpi.name !== undefined && !NAME_SEGMENT.test(acpi.name)) {
    throw invalidArgument(`acpi.name of ${name}`, acpi.name, 'one to four of A to Z, 0 to 9 and _, the first no digit')
  }
  if (acpi.uid !== undefined) checkInteger(`acpi.uid of ${name}`, acpi.uid, 0, 0xffff_ffff)
  if (acpi.hpet !== undefined) {
    const hpet = checkOptions(`acpi.hpet of ${name}`, acpi.hpet, ['id', 'minimumTick'])
    checkInteger(`acpi.hpet.id of ${name}`, hpet['id'], 0, 0xffff_ffff)
    checkInteger(`acpi.hpet.minimumTick of ${name}`, hpet['minimumTick'], 0, 0xffff)
    checkHasMemory(`acpi.hpet of ${name}`, acpi.hpet, resources)
  }
  if (acpi.ecam !== undefined && checkBoolean(`acpi.ecam of ${name}`, acpi.ecam)) {
    checkHasMemory(`acpi.ecam of ${name}`, acpi.ecam, resources)
  }
  if (acpi.generationId !== undefined) {
    const { address } = checkOptions(`acpi.generationId of ${name}`, acpi.generationId, ['address'])
    checkInteger(`acpi.generationId.address of ${name}`, address, 0, ADDRESSES - 1)
    if (!resources.some(({ gsi }) => gsi !== undefined)) {
      throw invalidArgument(`acpi.generationId of ${name}`, acpi.generationId, 'of a device with an interrupt')
    }
  }
  if (acpi.pciRoot !== undefined) checkPciRoot(`acpi.pciRoot of ${name}`, acpi.pciRoot)
}

function checkHasMemory(name: string, value: unknown, resources: HardwareNode['resources']): void {
  if (!resources.some(({ memory }) => memory !== undefined))
    throw invalidArgument(name, value, 'of a device with memory')
}

function checkPciRoot(name: string, root: PciRoot): void {
  checkOptions(name, root, ['ports', 'memory', 'lines'])
  for (const [kind, size] of [
    ['ports', PORTS],
    ['memory', FOUR_GIB],
  ] as const) {
    const { start, end } = checkOptions(`${name}.${kind}`, root[kind], ['start', 'end'])
    checkInteger(`${name}.${kind}.end`, end, checkInteger(`${name}.${kind}.start`, start, 0, size - 1) + 1, size)
  }
  if (!Array.isArray(root.lines)) throw invalidArgument(`${name}.lines`, root.lines, 'an array of interrupt lines')
  for (const gsi of root.lines as unknown[]) checkInteger(`${name}.lines`, gsi, 0, GSI_COUNT - 1)
}

function checkFixedHardware({ name, resources }: HardwareNode, acpi: { fixed: unknown }): void {
  checkOptions(`acpi of ${name}`, acpi, ['fixed'])
  const fixed = checkOptions(`acpi.fixed of ${name}`, acpi.fixed, ['event', 'control', 'timer', 'reset', 'sleepTypes'])
  const ports = resources.find((resource) => resource.port !== undefined)
  if (ports === undefined || !resources.some(({ gsi }) => gsi !== undefined)) {
    throw invalidArgument(`acpi.fixed of ${name}`, acpi.fixed, 'of a device with ports and an interrupt')
  }
  const checkOffset = (key: string, offset: unknown, bytes: number) =>
    checkInteger(`acpi.fixed.${key} of ${name}`, offset, 0, ports.length - bytes)
  checkOffset('event', fixed['event'], 4)
  checkOffset('control', fixed['control'], 2)
  if (fixed['timer'] !== undefined) checkOffset('timer', fixed['timer'], 4)
  if (fixed['reset'] !== undefined) {
    const reset = checkOptions(`acpi.fixed.reset of ${name}`, fixed['reset'], ['offset', 'value'])
    checkOffset('reset.offset', reset['offset'], 1)
    checkInteger(`acpi.fixed.reset.value of ${name}`, reset['value'], 0, 0xff)
  }
  const types = checkOptions(`acpi.fixed.sleepTypes of ${name}`, fixed['sleepTypes'], ['s3', 's5'])
  checkInteger(`acpi.fixed.sleepTypes.s5 of ${name}`, types['s5'], 0, 7)
  checkInteger(`acpi.fixed.sleepTypes.s3 of ${name}`, types['s3'] ?? 0, 0, 7)
}

/** The same for tables, which can only be written of nodes that are in their places. */
export function checkPlaced(node: HardwareNode): void {
  checkNode(node)
  for (const { port, memory, gsi } of node.resources) {
    if ([port, memory, gsi].includes('any')) throw invalidArgument(`a resource of ${node.name}`, 'any', 'a number')
  }
}
