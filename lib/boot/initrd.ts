import { hex } from '../format.js'
import { FOUR_GIB, PAGE } from './addresses.js'
import type { BootPlan } from './boot-plan.js'
import { imageError, type ImageFault } from '../image/image-error.js'

/**
 * Plans the initrd as high as it may lie: kernels unpack themselves at the bottom, and take what they find in their way.
 * `last` is the highest address that it may cover.
 */
export function planInitrd(
  plan: BootPlan,
  content: Uint8Array | undefined,
  last: number,
  fault: ImageFault,
): { start: number; size: number } | undefined {
  if (content === undefined) return undefined
  const size = content.length
  const below = Math.min(last + 1, FOUR_GIB)
  const start = plan.findHighest({ size, align: PAGE, below })
  if (start === undefined) {
    throw imageError(fault, `an initrd of ${hex(size)} bytes does not fit into the RAM below ${hex(below)}`, {
      size,
      below,
    })
  }
  plan.put({ name: 'initrd', start, content, fault })
  return { start, size }
}
