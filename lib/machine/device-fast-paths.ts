import { deviceFailure } from '../bus/device-failure.js'
import type { FastPath, FastPaths } from '../bus/fast-paths.js'
import { promised } from '../bus/in-order.js'
import type { BusMapping } from '../bus/mapping.js'
import type { FastAddress } from '../kvm/fast-access.js'
import type { Vm } from '../kvm/vm.js'

const NOTHING: FastPath = {
  close() {
    // Nothing was offered.
  },
}

/**
 * What a mapped device offers, at its place in the VM. A device can be mapped in part, and can outlive its VM: what it offers
 * elsewhere, or later, is taken and does nothing.
 */
export function deviceFastPaths(
  vm: Vm,
  mapping: BusMapping,
  space: 'port' | 'address',
  fail: (error: unknown) => void,
): FastPaths {
  const at = (offset: number) => mapping.start + offset - mapping.offset
  const place = (offset: number) => ({ [space]: at(offset) }) as FastAddress
  const has = (offset: number, length: number) =>
    !vm.closed && offset >= mapping.offset && offset + length <= mapping.offset + mapping.length
  const alive = (change: () => void) => {
    if (!vm.closed) change()
  }
  /** A posted write reaches the device past its bus. Nobody waits for its promise. */
  const deliver = (offset: number, data: Uint8Array, call: () => unknown) => {
    const named = (error: unknown) => {
      const bus = space === 'port' ? 'port' : 'mmio'
      const place = { device: mapping.name, bus, address: at(offset), offset } as const
      return deviceFailure({ ...place, length: data.length, isWrite: true }, error)
    }
    try {
      promised(call())?.catch((error: unknown) => {
        fail(named(error))
      })
    } catch (error) {
      throw named(error)
    }
  }
  return {
    postWrites(offset, length, options) {
      if (!has(offset, length)) return NOTHING
      return vm.postWrites({ ...place(offset), length, ...options }, (from, data) => {
        deliver(offset + from, data, () => mapping.device.write(offset + from, data))
      })
    },
    latchRead(offset, width, initial) {
      if (!has(offset, width)) return { ...NOTHING, value: initial }
      const latch = vm.latchRead({ ...place(offset), width }, initial)
      return {
        get value() {
          return latch.value
        },
        set value(value) {
          alive(() => (latch.value = value))
        },
        close: () => {
          latch.close()
        },
      }
    },
    latchCounter(offset, width, start) {
      if (!has(offset, width)) return { ...NOTHING, set: () => undefined }
      const latch = vm.latchCounter({ ...place(offset), width }, start)
      return {
        set: (value, epoch) => {
          alive(() => latch.set(value, epoch))
        },
        close: () => {
          latch.close()
        },
      }
    },
    latchIndexed({ index, data, mask }, listener) {
      if (!has(index, 1) || !has(data, 1)) {
        return { ...NOTHING, chosen: undefined, set: () => undefined, clear: () => undefined }
      }
      const latch = vm.latchIndexed({ ...place(index), data: at(data), mask }, (_, bytes) => {
        deliver(index, bytes, () => {
          listener(bytes[0] ?? 0)
        })
      })
      return {
        get chosen() {
          return latch.chosen
        },
        set: (register, value, until) => {
          alive(() => latch.set(register, value, until))
        },
        clear: () => {
          latch.clear()
        },
        close: () => {
          latch.close()
        },
      }
    },
  }
}
