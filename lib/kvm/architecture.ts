import type { GsiRoute } from './gsi-route.js'
import type { VmInside } from './vm-inside.js'
import { irqchipRoutes as x86IrqchipRoutes } from './x86/irqchip-routes.js'
import { placeIntelPages } from './x86/vm-calls.js'

/** Before a VM's vCPU is created. */
export const prepareForVcpu: (vm: VmInside, isFirst: boolean) => void =
  process.arch === 'arm64' ? () => undefined : placeIntelPages

/** Where the GSIs lead as KVM has it after KVM_CREATE_IRQCHIP. A GIC makes its routes later. */
export const irqchipRoutes: () => GsiRoute[] = process.arch === 'arm64' ? () => [] : x86IrqchipRoutes
