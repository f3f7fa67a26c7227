import type { Device } from '../bus/device.js'
import { KvmError } from '../errors.js'
import { printable } from '../format.js'
import type { PlacedHardware, PlacedResource } from '../platform/node.js'

/** A device of a machine, by its name. */
export interface SavedDevice {
  name: string
  /** Where it was: its guest has been told. */
  resources: PlacedResource[]
  /** Absent for one that has none. */
  state?: object
}

type ByName = ReadonlyMap<string, Device>

/** Every device stands still. */
export function saveDevices(devices: ByName, nodes: readonly PlacedHardware[]): SavedDevice[] {
  return Array.from(devices, ([name, device]) => {
    if ((device.save === undefined) !== (device.restore === undefined)) {
      throw refused(name, 'it has one of save() and restore(): give it both, or none')
    }
    // What JSON carries: the device may go on with the object that it returned.
    const state = device.save === undefined ? undefined : (JSON.parse(JSON.stringify(device.save())) as object)
    return { name, resources: resourcesOf(name, nodes), ...(state === undefined ? {} : { state }) }
  })
}

/**
 * Checks that the same devices are there, in the same places, before anything is changed. What is returned gives each its state;
 * every device stands still and has been reset, or is new.
 */
export function readDevices(
  saved: readonly SavedDevice[],
  devices: ByName,
  nodes: readonly PlacedHardware[],
): () => void {
  const byName = new Map(saved.map((each) => [each.name, each]))
  if (byName.size < saved.length) throw refused(saved.at(-1)?.name ?? '', 'two devices have one name')
  for (const name of devices.keys()) {
    if (!byName.has(name)) throw refused(name, 'the machine has it, and the saved one had not: leave it out')
  }
  for (const { name, resources, state } of saved) {
    const device = devices.get(name)
    if (device === undefined) throw refused(name, 'the saved machine had it: put one with this name among `devices`')
    const here = resourcesOf(name, nodes)
    if (JSON.stringify(here) !== JSON.stringify(resources)) {
      const places = `it was at ${JSON.stringify(resources)} and is at ${JSON.stringify(here)}`
      throw refused(name, `${places}: give the machine its devices in the same order, with the same resources`)
    }
    if (state !== undefined && device.restore === undefined) throw refused(name, 'it cannot take a state')
    if (state === undefined && device.restore !== undefined) throw refused(name, 'it has been saved without a state')
  }
  return () => {
    for (const { name, state } of saved) if (state !== undefined) devices.get(name)?.restore?.(structuredClone(state))
  }
}

function resourcesOf(name: string, nodes: readonly PlacedHardware[]): PlacedResource[] {
  return [...(nodes.find((node) => node.name === name)?.resources ?? [])]
}

function refused(name: string, why: string): KvmError {
  return new KvmError('ERR_KVM_SNAPSHOT', `the device ${printable(name)} cannot be restored: ${why}`, {
    operands: { component: name },
  })
}
