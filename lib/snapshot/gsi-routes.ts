import { isDeepStrictEqual } from 'node:util'
import type { GsiRoute, GsiTarget } from '../kvm/gsi-route.js'
import type { Vm } from '../kvm/vm.js'
import type { StateReader } from '../state.js'

const MAX_UINT32 = 0xffff_ffff
/** KVM_MAX_IRQ_ROUTES of the kernel. */
const MOST = 4096

const CHIPS = ['pic-master', 'pic-slave', 'ioapic', 'vgic'] as const

const TARGETS: { [Type in GsiTarget['type']]: (route: StateReader) => Extract<GsiTarget, { type: Type }> } = {
  irqchip: (route) => ({
    type: 'irqchip',
    irqchip: route.oneOf('irqchip', CHIPS),
    pin: route.integer('pin', MAX_UINT32),
  }),
  msi: (route) => ({
    type: 'msi',
    address: route.integer('address', Number.MAX_SAFE_INTEGER),
    data: route.integer('data', MAX_UINT32),
    ...(route.has('devid') ? { devid: route.integer('devid', MAX_UINT32) } : {}),
  }),
  'hv-sint': (route) => ({
    type: 'hv-sint',
    vcpu: route.integer('vcpu', MAX_UINT32),
    sint: route.integer('sint', MAX_UINT32),
  }),
  'xen-evtchn': (route) => ({
    type: 'xen-evtchn',
    vcpu: route.integer('vcpu', MAX_UINT32),
    port: route.integer('port', MAX_UINT32),
  }),
}

const TYPES = Object.keys(TARGETS) as GsiTarget['type'][]

/** Where each GSI leads, as `vm.setGsiRouting()` takes it. */
export function readGsiRoutes(reader: StateReader): GsiRoute[] {
  return reader.parts('gsiRoutes', MOST).map((route) => {
    const target = TARGETS[route.oneOf('type', TYPES)](route)
    return { gsi: route.integer('gsi', MAX_UINT32), ...target }
  })
}

/** The kernel waits for all processors before it has another table. One that is there already is left. */
export function restoreGsiRoutes(vm: Vm, routes: readonly GsiRoute[]): void {
  if (!isDeepStrictEqual([...vm.gsiRoutes], routes)) vm.setGsiRouting(routes)
}
