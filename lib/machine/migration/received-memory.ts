import { KvmError } from '../../errors.js'
import { HostMemory } from '../../kvm/host-memory.js'
import { StateReader } from '../../state.js'
import { malformed } from '../../snapshot/migration/frames.js'
import { PAGE, type SavedRegion } from '../machine-memory.js'
import { readRegions } from '../machine-state.js'

const WINDOW = 2 ** 24
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What a source says first. */
export interface Announcement {
  id: string
  memory: SavedRegion[]
}

/** Checks it, before anything is allocated for it. */
export function readAnnouncement(value: unknown, most: number): Announcement {
  const reader = new StateReader('the machine that is to come', value)
  reader.oneOf('architecture', [process.arch])
  const id = reader.string('id', 36)
  if (!UUID.test(id)) throw reader.refuse('id', 'a UUID')
  const memory = readRegions(reader)
  let end = 0
  for (const { at, size } of memory) {
    if (at < end) throw reader.refuse('memory', 'stretches in order, that do not overlap')
    end = at + size
  }
  const size = memory.reduce((sum, region) => sum + region.size, 0)
  if (size > most) throw malformed(`it has ${size} bytes of memory, and the target takes ${most}: see maxMemory`)
  return { id, memory }
}

interface Stretch extends SavedRegion {
  /** Until somebody has taken it. */
  memory: HostMemory | undefined
}

/** The memory of a machine that is on its way here. */
export class ReceivedMemory {
  readonly #stretches: Stretch[] = []
  #window: { stretch: Stretch; start: number; bytes: Uint8Array } | undefined

  constructor(regions: readonly SavedRegion[]) {
    try {
      for (const region of regions) {
        const { size } = region
        const memory = HostMemory.allocate({ size, backing: 'memfd', hugePages: 'transparent' })
        this.#stretches.push({ ...region, memory })
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Puts pages where they belong. What is not a part of the memory throws `ERR_KVM_MIGRATION`. */
  write(address: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || bytes.length % PAGE !== 0) throw malformed('a page has another size than pages have')
    let done = 0
    this.#each(address, bytes.length, (piece) => {
      piece.set(bytes.subarray(done, done + piece.length))
      done += piece.length
    })
  }

  clear(address: number, length: number): void {
    if (length % PAGE !== 0) throw malformed('a page has another size than pages have')
    this.#each(address, length, (piece) => piece.fill(0))
  }

  /** It is the caller's. */
  take({ at }: SavedRegion): HostMemory {
    const stretch = this.#stretches.find((each) => each.at === at)
    const memory = stretch?.memory
    if (stretch === undefined || memory === undefined) {
      throw new KvmError('ERR_KVM_CLOSED', 'the memory that came with this machine is its own now')
    }
    stretch.memory = undefined
    return memory
  }

  /** What nobody has taken. */
  close(): void {
    for (const { memory } of this.#stretches.splice(0)) memory?.close()
  }

  #each(address: number, length: number, use: (piece: Uint8Array) => void): void {
    const stretch = this.#stretches.find(({ at, size }) => address >= at && address + length <= at + size)
    if (stretch === undefined || address % PAGE !== 0) throw malformed('there is a page outside of its memory')
    for (let done = 0; done < length;) {
      const offset = address - stretch.at + done
      const { start, bytes } = this.#open(stretch, offset - (offset % WINDOW))
      const piece = bytes.subarray(offset - start, offset - start + length - done)
      use(piece)
      done += piece.length
    }
  }

  #open(stretch: Stretch, start: number) {
    if (this.#window?.stretch !== stretch || this.#window.start !== start) {
      const memory = stretch.memory as HostMemory
      this.#window = {
        stretch,
        start,
        bytes: new Uint8Array(memory.buffer(start, Math.min(WINDOW, stretch.size - start))),
      }
    }
    return this.#window
  }
}
