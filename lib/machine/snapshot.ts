import { readSync } from 'node:fs'
import { resolve } from 'node:path'
import { KvmError } from '../errors.js'
import { HostMemory } from '../kvm/host-memory.js'
import { openSnapshot, type SnapshotFiles, writeSnapshot } from '../snapshot/directory.js'
import { damaged, type MemoryPart, PAGE } from '../snapshot/format.js'
import type { MemorySource } from '../snapshot/memory-writer.js'
import { runsWithin } from '../snapshot/pages.js'
import { verifySnapshot } from '../snapshot/verify.js'
import type { SavedRegion } from './machine-memory.js'
import { type MachineState, readMachineState } from './machine-state.js'
import type { MachineOrigin } from './template.js'

/** How many snapshots may stand on each other. */
const MOST_PARENTS = 64

/** What `snapshot.info` says. */
export interface SnapshotInfo {
  id: string
  /** When it was taken: ISO 8601. */
  created: string
  /** Absolute; its own first, then that of the one of which it has only the differences, and so on. */
  directories: string[]
  /** Of the guest, in bytes. */
  memory: number
  /** How many bytes of that are in this directory: pages that are not zero, or differ. */
  stored: number
}

/** A machine on disk, to be restored: `Machine.restore(snapshot, { devices })`. */
export class Snapshot implements MachineOrigin {
  readonly state: MachineState
  // The newest first, and last one that has all pages.
  readonly #chain: readonly SnapshotFiles[]

  private constructor(chain: readonly SnapshotFiles[], state: MachineState) {
    this.#chain = chain
    this.state = state
  }

  /**
   * Opens the snapshot in a directory, and those on which it stands. Their state is checked as a whole, of their memory the length;
   * {@link verify} reads all. Rejects with `ERR_KVM_SNAPSHOT` for what is not there, not whole, or of another version.
   */
  static async open(directory: string): Promise<Snapshot> {
    const chain: SnapshotFiles[] = []
    try {
      for (let next: string | undefined = directory; next !== undefined;) {
        const files = await openSnapshot(next)
        chain.push(files)
        checkParent(chain.at(-2), files)
        const { parent } = files.content
        next = parent && resolve(files.directory, parent.directory)
        if (chain.length > MOST_PARENTS) throw damaged(directory, `it stands on more than ${MOST_PARENTS} others`)
      }
      return new Snapshot(chain, readMachineState(chain[0]?.content.machine))
    } catch (error) {
      for (const { memory } of chain) await memory.close()
      throw error
    }
  }

  get info(): SnapshotInfo {
    const { id, created, parts } = this.#newest.content
    return {
      ...{ id, created, directories: this.#chain.map(({ directory }) => directory) },
      memory: parts.reduce((sum, { size }) => sum + size, 0),
      stored: this.#newest.stored,
    }
  }

  /** The ids of this one and of those on which it stands. */
  get ids(): readonly string[] {
    return this.#chain.map(({ content }) => content.id)
  }

  /** Reads all of the memory, and compares it with its checksums. Rejects with `ERR_KVM_SNAPSHOT`, which says where it differs. */
  async verify(): Promise<void> {
    for (const files of this.#chain) await verifySnapshot(files)
  }

  /** Writes it to another directory so that it stands on no other. */
  async flatten(directory: string, progress?: (done: number, total: number) => void): Promise<void> {
    const opened = this.state.memory.map((region) => ({ region, memory: this.open(region) }))
    try {
      const memory = opened.map(({ region: { at, size }, memory }) => sourceOf(memory, at, size))
      await writeSnapshot(directory, { machine: this.state, memory, progress })
    } finally {
      for (const { memory } of opened) memory.close()
    }
  }

  open(region: SavedRegion): HostMemory {
    const { at, size } = region
    const last = this.#chain.at(-1) as SnapshotFiles
    const { offset } = partOf(last, region)
    const copy = HostMemory.fromFd({ fd: last.memory.fd, offset, size, private: true, unsealed: true })
    try {
      this.patch({ at, size, kind: region.kind }, copy)
      return copy
    } catch (error) {
      copy.close()
      throw error
    }
  }

  /** Puts into a copy of the oldest one's memory what the others have instead. */
  patch(region: SavedRegion, memory: HostMemory): void {
    for (const files of this.#chain.slice(0, -1).reverse()) {
      const { offset } = partOf(files, region)
      const first = offset / PAGE
      for (const [page, count] of runsWithin(files.content.pages ?? [], first, region.size / PAGE)) {
        readInto(files, memory, page * PAGE, count * PAGE, offset)
      }
    }
  }

  /** @internal */
  get newest(): SnapshotFiles {
    return this.#newest
  }

  /** Machines that were restored from it stay. Closing again does nothing. */
  async close(): Promise<void> {
    for (const { memory } of this.#chain) if (memory.fd >= 0) await memory.close()
  }

  get #newest(): SnapshotFiles {
    return this.#chain[0] as SnapshotFiles
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A part of memory as it is written. */
export function sourceOf(memory: HostMemory, at: number, size: number, pages?: Uint8Array): MemorySource {
  return {
    ...{ at, size },
    read: (offset, length) => new Uint8Array(memory.buffer(offset, length)),
    has: pages && ((page) => ((pages[page >> 3] ?? 0) & (1 << (page & 7))) !== 0),
  }
}

function checkParent(child: SnapshotFiles | undefined, files: SnapshotFiles): void {
  if (child === undefined) return
  const { parent, parts } = child.content
  if (parent?.id !== files.content.id) {
    throw damaged(
      child.directory,
      `it stands on the snapshot ${parent?.id}, and ${files.directory} has another one now`,
    )
  }
  if (JSON.stringify(parts) !== JSON.stringify(files.content.parts)) {
    throw damaged(child.directory, `its memory is not where that of ${files.directory} is`)
  }
}

function partOf({ content, directory }: SnapshotFiles, { at, size }: SavedRegion): MemoryPart {
  const part = content.parts.find((each) => each.at === at && each.size === size)
  if (part === undefined) throw damaged(directory, `it has no memory at 0x${at.toString(16)}`)
  return part
}

/** As much at once as one ArrayBuffer may have. */
const MOST_AT_ONCE = 2 ** 24

function readInto(
  { memory: file, directory }: SnapshotFiles,
  memory: HostMemory,
  at: number,
  length: number,
  offset: number,
) {
  for (let done = 0; done < length;) {
    const piece = new Uint8Array(memory.buffer(at + done, Math.min(length - done, MOST_AT_ONCE)))
    const count = readSync(file.fd, piece, 0, piece.length, offset + at + done)
    if (count === 0) throw damaged(directory, 'its memory file has been cut off')
    done += count
  }
}

/** What a differential snapshot cannot be taken of. */
export function noBase(directory: string): KvmError {
  return new KvmError(
    'ERR_KVM_SNAPSHOT',
    `the machine cannot say how it differs from ${directory}: it was not restored from it, or taken of it with backing: 'memfd'; ` +
      'leave `base` out',
    { operands: { path: directory } },
  )
}
