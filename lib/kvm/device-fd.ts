import { type DeviceAttr, type DeviceAttrCalls, getDeviceAttr, hasDeviceAttr, setDeviceAttr } from './device-attr.js'
import type { Fd } from './fd.js'

/** A device in the kernel that KVM_CREATE_DEVICE made: an interrupt controller of arm64, VFIO. Its attributes are its interface. */
export class DeviceFd implements DeviceAttrCalls {
  /** KVM_DEV_TYPE_*. */
  readonly type: number
  readonly #fd: Fd

  /** @internal */
  constructor(type: number, fd: Fd) {
    this.type = type
    this.#fd = fd
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  hasDeviceAttr(attribute: DeviceAttr): boolean {
    return hasDeviceAttr(this.#fd, attribute)
  }

  getDeviceAttr(attribute: DeviceAttr, length: number, given?: Uint8Array): Uint8Array {
    return getDeviceAttr(this.#fd, attribute, length, given)
  }

  setDeviceAttr(attribute: DeviceAttr, value?: Uint8Array): void {
    setDeviceAttr(this.#fd, attribute, value)
  }

  /** Closes the descriptor. The device stays in its VM. Closing again does nothing. */
  close(): void {
    this.#fd.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
