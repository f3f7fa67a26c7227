import { EFER } from '../arch/x86/register-bits.js'
import type { PagingState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { translate, type Translation } from './translate.js'

const PAGE = 4096

/** What could be read: fewer bytes than asked for when `problem` says why. */
export interface LinearRead {
  bytes: Uint8Array
  problem?: string
}

/** A guest's memory by linear address, as its page tables show it at this moment. */
export class LinearMemory {
  readonly #memory: DeviceMemory
  readonly #paging: PagingState
  readonly #end: bigint
  // The walks so far, by page: readers stay near where they are, and each of them reads a bounded amount.
  readonly #pages = new Map<bigint, Translation>()

  constructor(memory: DeviceMemory, paging: PagingState) {
    this.#memory = memory
    this.#paging = paging
    this.#end = (paging.efer & EFER.LMA) !== 0n ? 2n ** 64n : 2n ** 32n
  }

  /** Copies `length` bytes out, or as many as there are before the first that cannot be read. */
  read(address: bigint, length: number): LinearRead {
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length;) {
      const at = address + BigInt(done)
      const problem = (text: string) => ({ bytes: bytes.subarray(0, done), problem: text })
      if (at < 0n || at >= this.#end) return problem(`${hex(at)} lies past the end of the address space`)
      const offset = Number(at % BigInt(PAGE))
      const translation = this.#translate(at - BigInt(offset))
      if (!translation.mapped) return problem(`${hex(at)} is not mapped: ${translation.problem}`)
      const physical = translation.address + offset
      const wanted = Math.min(length - done, PAGE - offset)
      const part = this.#memory.read(physical, wanted)
      if (part === undefined) return problem(`${hex(at)} is at ${hex(physical)}, where there is no memory`)
      bytes.set(part, done)
      done += part.length
    }
    return { bytes }
  }

  /** A little-endian number of 2, 4 or 8 bytes; undefined where it cannot be read. */
  readNumber(address: bigint, size: 2 | 4 | 8): bigint | undefined {
    const { bytes } = this.read(address, size)
    return bytes.length < size ? undefined : numberAt(bytes, 0, size)
  }

  #translate(page: bigint): Translation {
    let translation = this.#pages.get(page)
    if (translation === undefined) {
      translation = translate(this.#memory, this.#paging, page)
      this.#pages.set(page, translation)
    }
    return translation
  }
}

/** A little-endian number of 2, 4 or 8 bytes within `bytes`. */
export function numberAt(bytes: Uint8Array, offset: number, size: 2 | 4 | 8): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (size === 8) return view.getBigUint64(offset, true)
  return BigInt(size === 4 ? view.getUint32(offset, true) : view.getUint16(offset, true))
}
