export { accessEach } from './access-each.js'
export { Bus, type BusOptions, type MapOptions, type Unclaimed, type UnclaimedAccess } from './bus.js'
export type { Clock, Schedule } from './clock.js'
export { type Access, type Device, isStateful, type Stateful, type Task } from './device.js'
export type { DeviceContext, Doorbell, DoorbellOptions, DoorbellTarget, MachineEffects } from './device-context.js'
export type { HostEvent } from './host-event.js'
export {
  BankCell,
  type BankCellOptions,
  Cell,
  type CellOptions,
  type CellWrite,
  CounterCell,
  type CounterCellOptions,
  type CounterStart,
  ValueCell,
  type ValueCellOptions,
} from './cells.js'
export { type InterruptLine, InterruptOutput, SharedInterruptLine, UNCONNECTED } from './interrupt-line.js'
export type { BusMapping, CellHome } from './mapping.js'
export type { BusRegion } from './region.js'
export { type Register, type RegisterPlace, Registers, type RegistersOptions } from './registers.js'
