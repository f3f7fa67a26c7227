import { checkInteger, invalidArgument } from '../../validate.js'
import { openEvent } from '../event.js'
import { kvm_hyperv_eventfd, KVM_HYPERV_CONN_ID_MASK, KVM_HYPERV_EVENTFD_DEASSIGN } from '../generated/x86.js'
import type { VmInside } from '../vm-inside.js'

/** A connection of a guest made for Hyper-V, vm.hypervEventfd(). */
export interface HypervEventfd {
  /** Takes the connection away. Closing again does nothing. */
  close(): void
  [Symbol.dispose](): void
}

export function openHypervEventfd(
  { fd, eventfds }: VmInside,
  connection: number,
  listener: (count: number) => void,
): HypervEventfd {
  const conn_id = checkInteger('connection', connection, 0, KVM_HYPERV_CONN_ID_MASK)
  if (typeof listener !== 'function') throw invalidArgument('listener', listener, 'a function')
  fd.checkOpen()
  const event = openEvent('the connection', listener)
  event.unref()
  const assign = (flags: number) => {
    fd.ioctl('KVM_HYPERV_EVENTFD', kvm_hyperv_eventfd.bytes({ conn_id, flags }), { connection }, event)
  }
  try {
    assign(0)
  } catch (error) {
    event.close()
    throw error
  }
  let closed = false
  const close = () => {
    if (closed) return
    if (!fd.closed) assign(KVM_HYPERV_EVENTFD_DEASSIGN)
    closed = true
    event.close()
    eventfds.delete(handle)
  }
  const handle: HypervEventfd = { close, [Symbol.dispose]: close }
  eventfds.add(handle)
  return handle
}
