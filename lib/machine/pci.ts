import type { MemoryLayout } from '../arch/x86/memory-layout.js'
import { KvmError } from '../errors.js'
import type { Vm } from '../kvm/vm.js'
import type { OpenDoorbell } from '../pci/doorbells.js'
import type { PciFunction } from '../pci/function.js'
import { PciBus, type PciNode } from '../pci/pci-bus.js'
import type { PlacedHardware } from '../platform/node.js'
import type { PciPlaces } from './architecture.js'
import type { InterruptLines, Surroundings } from './device-context.js'
import type { DeviceHost, MachineDevice, PciHost } from './host.js'
import { VmMessages } from './message-routes.js'

/** A machine's PCI bus: each of its functions is a device of the machine. */
export class MachinePci implements PciHost {
  readonly #host: Pick<DeviceHost, 'add'>
  readonly #places: PciPlaces
  readonly #bus: PciBus

  constructor(host: Omit<DeviceHost, 'pci'>, places: PciPlaces, around: Surroundings, lines: InterruptLines) {
    this.#host = host
    this.#places = places
    const { vm } = around
    this.#bus = new PciBus({
      ...{ ...around, ports: host.ports, mmio: host.mmio, windows: places.windows, gsi: places.gsi },
      line: (gsi) => lines.source(gsi),
      messages: () => new VmMessages(vm),
      doorbell: doorbells(vm),
    })
    for (const node of places.nodes(this.#bus, around.effects)) host.add(node)
    this.#register(this.#bus.bridge)
  }

  add(node: PciNode): PciFunction {
    const made = this.#bus.add(node)
    try {
      this.#register(made)
    } catch (error) {
      this.#bus.remove(made)
      throw error
    }
    return made
  }

  #register(made: PciFunction): void {
    const { name, device, address } = made
    const gsi = this.#places.gsi(address.slot)
    this.#host.add({ name, device: made, resources: device.pin === true ? [{ gsi, trigger: 'level' }] : [] })
  }
}

/** A function of PCI for `devices` of a machine, which has a PCI bus then. */
export function pci(node: PciNode): MachineDevice {
  return {
    attach: (host: DeviceHost) => {
      host.pci.add(node)
    },
  }
}

/** A guest's memory map, which does not call PCI's configuration space RAM, or free. */
export function withConfigSpace(layout: MemoryLayout, nodes: readonly PlacedHardware[]): MemoryLayout {
  const reserved = nodes.flatMap(({ acpi, resources }) =>
    acpi === undefined || 'fixed' in acpi || acpi.ecam !== true
      ? []
      : resources.flatMap((each) => (each.memory === undefined ? [] : [{ start: each.memory, size: each.length }])),
  )
  if (reserved.length === 0) return layout
  const e820 = [...layout.e820, ...reserved.map((range) => ({ ...range, type: 'reserved' as const }))]
  return { ...layout, e820: e820.sort((a, b) => a.start - b.start) }
}

const doorbells =
  (vm: Vm): OpenDoorbell =>
  (at, { length, value }, ring) => {
    if (vm.closed) return undefined
    const options = { ...at, ...(length === undefined ? {} : { length }) }
    try {
      return vm.ioeventfd(value === undefined ? options : { ...options, datamatch: value }, ring)
    } catch (error) {
      // A guest can move a BAR to where somebody has put a doorbell by hand; the write reaches the function by way of JavaScript.
      if (error instanceof KvmError && error.code === 'ERR_KVM_IOCTL') return undefined
      throw error
    }
  }
