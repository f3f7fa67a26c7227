import type { Bus } from '../bus/bus.js'
import type { DeviceContext } from '../bus/device-context.js'
import type { InterruptLine } from '../bus/interrupt-line.js'
import type { OpenDoorbell } from './doorbells.js'
import type { MessageRoutes } from './messages.js'

/** What functions of PCI get from the machine that they are in. */
export interface PciSurroundings extends Pick<DeviceContext, 'memory' | 'clock' | 'schedule' | 'effects' | 'fail'> {
  /** Where BARs are. */
  readonly ports: Bus
  readonly mmio: Bus
  /** The vCPU whose access is being handled. */
  readonly vcpu: () => number | undefined
  /** A device's end of a line that several share. */
  readonly line: (gsi: number) => InterruptLine
  /** Where the messages of one more function go. */
  readonly messages: () => MessageRoutes
  readonly doorbell: OpenDoorbell
}
