import { read, readSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { KvmError } from '../errors.js'
import { HostMemory } from '../kvm/host-memory.js'
import { checkOptions, invalidArgument } from '../validate.js'
import { openSnapshot, type SnapshotFiles, writeSnapshot } from '../snapshot/directory.js'
import { damaged, type MemoryPart, PAGE } from '../snapshot/format.js'
import { type MemorySource, placeParts } from '../snapshot/memory-writer.js'
import { runsWithin } from '../snapshot/pages.js'
import { verifySnapshot } from '../snapshot/verify.js'
import type { SavedRegion } from './machine-memory.js'
import { type MachineState, readMachineState } from './machine-state.js'
import type { MachineOrigin } from './origin.js'

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
    checkDirectory(directory)
    const chain: SnapshotFiles[] = []
    try {
      for (let next: string | undefined = directory; next !== undefined;) {
        const files = await openSnapshot(next)
        chain.push(files)
        checkParent(chain, files)
        const { parent } = files.content
        next = parent && resolve(files.directory, parent.directory)
      }
      const state = readMachineState(chain[0]?.content.machine)
      // So that each part is where a writer puts it, and nothing else is looked at.
      for (const { content, directory: each } of chain) {
        if (JSON.stringify(content.parts) === JSON.stringify(placeParts(state.memory))) continue
        throw damaged(each, "its memory file is not laid out as its machine's memory is")
      }
      return new Snapshot(chain, state)
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
    this.checkOpen()
    for (const files of this.#chain) await verifySnapshot(files)
  }

  /** Writes it to another directory so that it stands on no other. */
  async flatten(directory: string, options: { progress?: (done: number, total: number) => void } = {}): Promise<void> {
    checkDirectory(directory)
    const { progress } = checkOptions('options', options, ['progress']) as typeof options
    this.checkOpen()
    const memory = this.state.memory.map((region) => this.#sourceOf(region))
    await writeSnapshot(directory, { machine: this.state, memory, progress, chain: this.#chain })
  }

  open(region: SavedRegion): HostMemory {
    this.checkOpen()
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
  get chain(): readonly SnapshotFiles[] {
    return this.#chain
  }

  checkOpen(): void {
    if (this.#newest.memory.fd < 0) throw new KvmError('ERR_KVM_CLOSED', 'this snapshot has been closed')
  }

  /** Machines that were restored from it stay. Closing again does nothing. */
  async close(): Promise<void> {
    for (const { memory } of this.#chain) if (memory.fd >= 0) await memory.close()
  }

  /** Each page from the newest that has it. */
  #sourceOf(region: SavedRegion): MemorySource {
    const { at, size } = region
    return {
      ...{ at, size },
      read: async (offset, bytes) => {
        for (const files of this.#chain.toReversed()) {
          const begin = partOf(files, region).offset + offset
          const { pages } = files.content
          const runs =
            pages === undefined ? [[0, bytes.length / PAGE]] : runsWithin(pages, begin / PAGE, bytes.length / PAGE)
          for (const [first = 0, count = 0] of runs) {
            await readFully(files.memory.fd, bytes.subarray(first * PAGE, (first + count) * PAGE), begin + first * PAGE)
          }
        }
      },
    }
  }

  get #newest(): SnapshotFiles {
    return this.#chain[0] as SnapshotFiles
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** What is in memory of which a file has the content, as it is written. */
export function sourceOf({ at, size, fd, pages }: Content): MemorySource {
  return {
    ...{ at, size },
    // By its file: to look at a page that has never been touched through a mapping would make the host have it.
    read: (offset, bytes) => readFully(fd, bytes, offset),
    has: pages && ((page) => ((pages[page >> 3] ?? 0) & (1 << (page & 7))) !== 0),
  }
}

/** A region of which a file has the content, from its beginning on. */
export interface Content {
  readonly at: number
  readonly size: number
  readonly fd: number
  /** Where only some pages are meant: a bit for each. */
  readonly pages?: Uint8Array | undefined
}

const readPart = promisify(read)

async function readFully(fd: number, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await readPart(fd, bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) throw new KvmError('ERR_KVM_SNAPSHOT', 'memory that was set aside has become shorter')
    done += bytesRead
  }
}

/** Whether the last of a chain is the one on which the one before stands. */
function checkParent(chain: readonly SnapshotFiles[], last: SnapshotFiles): void {
  const child = chain.at(-2)
  if (child === undefined) return
  const { id } = last.content
  if (child.content.parent?.id !== id) {
    throw damaged(
      child.directory,
      `it stands on the snapshot ${child.content.parent?.id}, and ${last.directory} has another one now`,
    )
  }
  if (chain.length > MOST_PARENTS || chain.slice(0, -1).some(({ content }) => content.id === id)) {
    throw damaged(child.directory, `it stands on itself, or on more than ${MOST_PARENTS} others`)
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

export function checkDirectory(directory: unknown): void {
  if (typeof directory !== 'string' || directory === '') throw invalidArgument('directory', directory, 'a path')
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
