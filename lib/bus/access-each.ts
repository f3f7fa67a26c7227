import type { Bus } from './bus.js'

/**
 * String I/O (`rep ins`, `rep outs`): one access after the other to the same port, each `size` bytes wide, as the processor
 * would have made them. `data` holds `count` elements; it is filled for reads.
 */
export function accessEach(
  bus: Pick<Bus, 'read' | 'write'>,
  port: number,
  size: number,
  count: number,
  data: Uint8Array,
  isWrite: boolean,
): void {
  if (count === 1) {
    if (isWrite) bus.write(port, data)
    else bus.read(port, data)
    return
  }
  for (let element = 0; element < count; element++) {
    const part = data.subarray(element * size, (element + 1) * size)
    if (isWrite) bus.write(port, part)
    else bus.read(port, part)
  }
}
