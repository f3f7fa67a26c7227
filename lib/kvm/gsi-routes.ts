import { KvmError } from '../errors.js'
import { lazy } from '../lazy.js'
import { checkList, checkPairs, invalidArgument } from '../validate.js'
import type { Fd } from './fd.js'
import { kvm_irq_routing } from './generated/common.js'
import { checkGsi, type Encoded, encodeRoute, encodeTarget, type GsiRoute, type GsiTarget } from './gsi-route.js'

/** The first that allocate() gives out. No interrupt controller has a pin of that number: an arm64 GIC has 988 SPIs at most. */
const FIRST_ALLOCATED = 1024

type Table = ReadonlyMap<number, readonly Encoded[]>

/**
 * Where each GSI of a VM leads: `vm.gsiRoutes`. KVM knows one table, and takes only a whole one. This is its owner: parts of
 * the program change their own GSIs and do not know of each other. Each call is one KVM_SET_GSI_ROUTING, or none when nothing
 * changes; when KVM refuses, all is as before. A guest may run.
 *
 * It begins with what KVM has made of an irqchip: `createIrqchip()` of x86 leads GSI 0 to 15 to the 8259s and the I/O APIC, and
 * 16 to 23 to the I/O APIC. A GIC of arm64 makes its table when it is initialised, and that is not seen here: set routes after
 * that, and set those of its SPIs too, if an irqfd is to raise one.
 *
 * The vectors of a device's MSI-X table:
 *
 * ```ts
 * // When the device is made: a GSI for each vector. It stays the same whatever the guest writes into the table.
 * const gsi = vm.gsiRoutes.allocate()
 * const vector = vm.irqfd(gsi)
 * // The guest has unmasked the vector (an entry of the table, or with the function's mask many at once).
 * vm.gsiRoutes.set(gsi, { type: 'msi', address, data })
 * vm.gsiRoutes.change(unmasked.map(({ gsi, address, data }) => [gsi, [{ type: 'msi', address, data }]]))
 * // The device's interrupt: from JavaScript, or by whoever has the eventfd. While a vector is masked the device keeps it
 * // pending, since an interrupt for a GSI without a route is lost.
 * vector.trigger()
 * // The device goes.
 * vector.close()
 * vm.gsiRoutes.free(gsi)
 * ```
 */
export class GsiRoutes implements Iterable<GsiRoute> {
  readonly #fd: Fd
  readonly #allocated = new Set<number>()
  #table: () => Table = lazy(() => new Map())

  /** @internal */
  constructor(fd: Fd) {
    this.#fd = fd
  }

  /** All routes, as `vm.setGsiRouting()` takes them. */
  *[Symbol.iterator](): IterableIterator<GsiRoute> {
    for (const [gsi, routes] of this.#table()) for (const { target } of routes) yield { gsi, ...target }
  }

  /** Where a GSI leads: nowhere, to a message, or to a pin of each of several controllers, which all get its level. */
  get(gsi: number): GsiTarget[] {
    return (this.#table().get(checkGsi('gsi', gsi)) ?? []).map(({ target }) => target)
  }

  /** Makes a GSI lead there, and nowhere else; without targets, nowhere. Other GSIs keep their routes. */
  set(gsi: number, ...targets: GsiTarget[]): void {
    this.change([[gsi, targets]])
  }

  /** The same for many GSIs at once: all of them, or, when one is refused, none. */
  change(changes: Iterable<readonly [gsi: number, targets: readonly GsiTarget[]]>): void {
    this.#fd.checkOpen()
    const checked = checkPairs('changes', changes, 'a GSI and its targets').map(([given, targets]) => {
      const gsi = checkGsi('gsi', given)
      return [gsi, checkList('targets', targets as GsiTarget[], 'targets').map((to) => encodeTarget(gsi, to))] as const
    })
    const table = new Map(this.#table())
    for (const [gsi, routes] of checked) {
      if (routes.length === 0) table.delete(gsi)
      else if (!same(routes, table.get(gsi))) table.set(gsi, routes)
    }
    const changed = checked.some(([gsi]) => table.get(gsi) !== this.#table().get(gsi))
    if (changed) this.#send(table)
  }

  /** A GSI that no interrupt controller has, for an MSI. It leads nowhere yet. Throws `ERR_KVM_NO_RESOURCE` when none is left. */
  allocate(): number {
    const end = this.#fd.checkExtension('KVM_CAP_IRQ_ROUTING')
    let gsi = FIRST_ALLOCATED
    while (this.#allocated.has(gsi) || this.#table().has(gsi)) gsi++
    if (gsi >= end) {
      throw new KvmError('ERR_KVM_NO_RESOURCE', `no GSI is left: the host has ${end} (KVM_CAP_IRQ_ROUTING)`, {
        operands: { first: FIRST_ALLOCATED, end },
      })
    }
    this.#allocated.add(gsi)
    return gsi
  }

  /** Gives back what allocate() gave, with its routes. Close its irqfds first. */
  free(...gsis: number[]): void {
    for (const gsi of gsis) {
      if (!this.#allocated.has(gsi)) throw invalidArgument('gsi', gsi, 'one that allocate() has given')
    }
    if (!this.#fd.closed) this.change(gsis.map((gsi) => [gsi, []]))
    for (const gsi of gsis) this.#allocated.delete(gsi)
  }

  /** @internal vm.setGsiRouting(): these and no others. KVM is told even when it should know. */
  replace(routes: readonly GsiRoute[]): void {
    this.#send(tableOf(routes))
  }

  /** @internal KVM has made these by itself. */
  made(routes: () => readonly GsiRoute[]): void {
    this.#table = lazy(() => tableOf(routes()))
  }

  #send(table: Table): void {
    const entries = [...table.values()].flat()
    const bytes = Buffer.concat([kvm_irq_routing.bytes({ nr: entries.length }), ...entries.map((entry) => entry.bytes)])
    this.#fd.ioctl('KVM_SET_GSI_ROUTING', bytes, { routes: entries.length })
    this.#table = () => table
  }
}

function tableOf(routes: readonly GsiRoute[]): Table {
  if (!Array.isArray(routes)) throw invalidArgument('routes', routes, 'an array of GSI routes')
  const table = new Map<number, Encoded[]>()
  for (const [gsi, encoded] of checkList('routes', routes as GsiRoute[], 'GSI routes').map(encodeRoute)) {
    const others = table.get(gsi)
    if (others === undefined) table.set(gsi, [encoded])
    else others.push(encoded)
  }
  return table
}

function same(routes: readonly Encoded[], before: readonly Encoded[] | undefined): boolean {
  if (routes.length !== before?.length) return false
  return routes.every(({ bytes }, index) => Buffer.compare(bytes, (before[index] as Encoded).bytes) === 0)
}
