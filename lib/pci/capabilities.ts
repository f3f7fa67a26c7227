import { inOrder } from '../bus/in-order.js'
import { checkBytes, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import type { ConfigSpace } from './config-space.js'
import type { PciCapability } from './pci-device.js'
import { CAPABILITIES, CONFIG_LENGTH, HEADER_LENGTH, STATUS, STATUS_CAPABILITIES } from './registers.js'

/** In front of a capability's own bytes: its number, and where the next one is. */
const PREFIX = 2
const ALIGNMENT = 4
const ALL = 0xff

/** The capabilities of a function in its configuration space, linked in their order. */
export class Capabilities {
  readonly #space: ConfigSpace
  readonly #placed: { capability: PciCapability; start: number }[] = []
  #end = HEADER_LENGTH
  /** Where the address of the next one goes. */
  #link = CAPABILITIES

  constructor(space: ConfigSpace) {
    this.#space = space
  }

  /** Returns the offset of its first own byte. */
  add(capability: PciCapability): number {
    checkCapability(capability)
    const { id, bytes, writable, clearable } = capability
    const at = this.#end
    const start = at + PREFIX
    if (start + bytes.length > CONFIG_LENGTH) {
      throw invalidArgument(
        'capabilities',
        start + bytes.length - HEADER_LENGTH,
        `at most ${CONFIG_LENGTH - HEADER_LENGTH} bytes`,
      )
    }
    const space = this.#space
    space.set(STATUS, 2, space.get16(STATUS) | STATUS_CAPABILITIES)
    space.set(this.#link, 1, at)
    space.set(at, 1, id)
    space.bytes.set(bytes, start)
    if (writable !== undefined) space.writable.set(writable, start)
    if (clearable !== undefined) space.clearable.set(clearable, start)
    this.#link = at + 1
    this.#end = Math.ceil((start + bytes.length) / ALIGNMENT) * ALIGNMENT
    this.#placed.push({ capability, start })
    this.#watch(capability, start)
    return start
  }

  /** Brings what is in the configuration space to the capabilities' own bytes. */
  refresh(): void {
    for (const { capability, start } of this.#placed) {
      capability.bytes.set(this.#space.bytes.subarray(start, start + capability.bytes.length))
    }
  }

  /** Bits of a byte that a capability changes by itself. */
  free(offset: number): number {
    const owner = this.#placed.find(
      ({ capability, start }) => offset >= start && offset < start + capability.bytes.length,
    )
    return owner?.capability.reading === undefined ? 0 : ALL
  }

  #watch({ bytes, reading, written }: PciCapability, start: number): void {
    const { bytes: all } = this.#space
    this.#space.watch({
      ...{ offset: start, length: bytes.length },
      reading: (offset, length) => {
        const show = () => {
          all.set(bytes, start)
        }
        return inOrder([() => reading?.(offset, length)], show)
      },
      written: (offset, length) => {
        bytes.set(all.subarray(start, start + bytes.length))
        return written?.(offset, length)
      },
    })
  }
}

function checkCapability(capability: PciCapability): void {
  const known = ['id', 'bytes', 'writable', 'clearable', 'reading', 'written']
  checkOptions('capability', capability, known)
  checkInteger('capability.id', capability.id, 0, 0xff)
  const { length } = checkBytes('capability.bytes', capability.bytes)
  for (const mask of ['writable', 'clearable'] as const) {
    if (capability[mask] !== undefined) checkBytes(`capability.${mask}`, capability[mask], length)
  }
}
