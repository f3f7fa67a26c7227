import type { HostEvent } from '../bus/host-event.js'
import { checkInteger, checkUint64, invalidArgument } from '../validate.js'
import { Eventfd, openEvent } from './event.js'
import { type BusAddress, place } from './bus-address.js'
import type { VmFd } from './fd.js'

/** A doorbell: where the guest writes, and what. */
export type IoeventfdOptions = BusAddress & {
  /** Width of the write in bytes: 1, 2, 4 or 8; 0 (the default) for any. */
  length?: number
  /** Only writes of this value ring; needs a `length`. */
  datamatch?: bigint
}

/** A doorbell of the guest, KVM_IOEVENTFD; see `vm.ioeventfd()`. */
export interface Ioeventfd {
  /**
   * Takes the doorbell away: writes exit as usual again. Closing again does nothing. Throws when the kernel has no memory for
   * it; the doorbell is as it was then.
   */
  close(): void
  [Symbol.dispose](): void
}

export function openIoeventfd(
  fd: VmFd,
  options: IoeventfdOptions,
  listener: ((count: number) => void) | HostEvent,
  onClose: (closed: Ioeventfd) => void,
): Ioeventfd {
  const { space, start } = place('options', options, ['length', 'datamatch'])
  const { datamatch } = options
  const length = checkInteger('length', options.length ?? 0, 0, 8)
  if (![0, 1, 2, 4, 8].includes(length)) throw invalidArgument('length', length, '0, 1, 2, 4 or 8')
  if (datamatch !== undefined) {
    const bits = checkUint64('datamatch', datamatch)
    if (length === 0 || BigInt.asUintN(length * 8, bits) !== bits) {
      throw invalidArgument('datamatch', datamatch, 'a value as wide as length, which it needs')
    }
  }
  const given = typeof listener === 'function' ? undefined : Eventfd.native('listener', listener)
  fd.checkOpen()
  const event = given ?? openEvent('the doorbell', listener as (count: number) => void)
  if (given === undefined) event.unref()
  const closeEvent = () => {
    if (given === undefined) event.close()
  }
  const assign = (on: boolean) => {
    fd.issued('KVM_IOEVENTFD', fd.native.ioeventfd(on, event, space, start, length, datamatch), { ...options })
  }
  try {
    assign(true)
  } catch (cause) {
    closeEvent()
    throw cause
  }
  let closed = false
  const close = () => {
    if (closed) return
    if (!fd.closed) assign(false)
    closed = true
    closeEvent()
    onClose(handle)
  }
  const handle: Ioeventfd = { close, [Symbol.dispose]: close }
  return handle
}
