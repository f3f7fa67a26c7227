import type { Bus } from './bus.js'

/**
 * String I/O (`rep ins`, `rep outs`): one access after the other to the same port, each `size` bytes wide, as the processor
 * would have made them. `data` holds `count` elements; it is filled for reads. A promise is there when a device returned one,
 * and resolves after the last access.
 */
export function accessEach(
  bus: Pick<Bus, 'read' | 'write'>,
  port: number,
  size: number,
  count: number,
  data: Uint8Array,
  isWrite: boolean,
): void | Promise<void> {
  if (count === 1) return isWrite ? bus.write(port, data) : bus.read(port, data)
  for (let element = 0; element < count; element++) {
    const part = data.subarray(element * size, (element + 1) * size)
    const pending = isWrite ? bus.write(port, part) : bus.read(port, part)
    if (pending === undefined) continue
    const rest = data.subarray((element + 1) * size)
    return pending.then(() =>
      rest.length === 0 ? undefined : accessEach(bus, port, size, count - element - 1, rest, isWrite),
    )
  }
}
