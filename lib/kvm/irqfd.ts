import type { HostEvent } from '../bus/host-event.js'
import { KvmError } from '../errors.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import type { NativeEventFd } from './binding.js'
import { Eventfd, openEvent } from './event.js'
import { systemFailure, type VmFd } from './fd.js'

/** Options of `vm.irqfd()`. */
export interface IrqfdOptions {
  /**
   * Makes the line level-triggered: it stays up after trigger() until the guest acknowledges the interrupt (EOI); KVM
   * then lowers it and calls this. Trigger again if the device still wants attention.
   */
  resample?: () => void
  /** The event that raises it, which somebody else has made and closes. Default: one of its own. */
  event?: HostEvent
}

/** An interrupt line that is raised by an eventfd, KVM_IRQFD; see `vm.irqfd()`. */
export interface Irqfd {
  readonly gsi: number
  /** Raises the interrupt. */
  trigger(): void
  /** Takes the eventfd off the line. Closing again does nothing. Throws when the kernel refuses; it is as it was then. */
  close(): void
  [Symbol.dispose](): void
}

export function openIrqfd(fd: VmFd, gsi: number, options: IrqfdOptions, onClose: (closed: Irqfd) => void): Irqfd {
  checkInteger('gsi', gsi, 0, 0xffff_ffff)
  const { resample, event: given } = checkOptions('options', options, ['resample', 'event'])
  if (resample !== undefined && typeof resample !== 'function') {
    throw invalidArgument('resample', resample, 'a function')
  }
  fd.checkOpen()
  const event = given === undefined ? openEvent('the interrupt line') : Eventfd.native('event', given)
  let acknowledged: NativeEventFd | undefined
  const closeEvents = () => {
    if (given === undefined) event.close()
    acknowledged?.close()
  }
  if (resample !== undefined) {
    try {
      acknowledged = openEvent('the interrupt line', () => (resample as () => void)())
    } catch (error) {
      closeEvents()
      throw error
    }
    acknowledged.unref()
  }
  try {
    fd.issued('KVM_IRQFD', fd.native.irqfd(true, event, gsi, acknowledged), { gsi })
  } catch (cause) {
    closeEvents()
    throw cause
  }
  let closed = false
  const close = () => {
    if (closed) return
    if (!fd.closed) fd.issued('KVM_IRQFD', fd.native.irqfd(false, event, gsi), { gsi })
    closed = true
    closeEvents()
    onClose(handle)
  }
  const handle: Irqfd = {
    gsi,
    trigger() {
      if (closed) throw new KvmError('ERR_KVM_CLOSED', `the irqfd of GSI ${gsi} has been closed`, { operands: { gsi } })
      try {
        event.signal()
      } catch (cause) {
        throw systemFailure(`the interrupt line ${gsi} cannot be raised`, cause)
      }
    },
    close,
    [Symbol.dispose]: close,
  }
  return handle
}
