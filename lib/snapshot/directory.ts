import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { KvmError } from '../errors.js'
import { damaged, decodeSnapshot, encodeSnapshot, MAX_STATE_BYTES, type SnapshotContent } from './format.js'
import { lengthOf, type MemorySource, writeMemory } from './memory-writer.js'

/** The file without which a directory is no snapshot. It is put in place last. */
const STATE = 'state.json'
const MEMORY = /^memory-[0-9a-f]+$/
/** A FIFO does not keep whoever opens it, and a link leads nowhere. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** A snapshot on disk that has been looked at: its state is whole, its memory file has its length. */
export interface SnapshotFiles {
  /** Absolute. */
  readonly directory: string
  readonly content: SnapshotContent
  /** The memory file, open for reading. */
  readonly memory: FileHandle
  /** How many bytes of the disk it takes. */
  readonly stored: number
}

export interface WriteOptions {
  machine: object
  memory: readonly MemorySource[]
  /** Of what this has only the pages that differ. */
  parent?: SnapshotFiles | undefined
  /** How many of the bytes have been looked at. */
  progress?: ((done: number, total: number) => void) | undefined
}

/**
 * Writes a snapshot. What is in the directory stays whole until the new one is on the disk, and takes its place in one step; after a
 * crash there is the old one, or none.
 */
export async function writeSnapshot(directory: string, options: WriteOptions): Promise<SnapshotContent> {
  const { machine, memory, parent, progress } = options
  if (parent?.directory === resolve(directory)) {
    throw new KvmError(
      'ERR_KVM_SNAPSHOT',
      `${directory} has the snapshot on which this one stands; take another directory`,
      {
        operands: { path: directory },
      },
    )
  }
  const id = randomUUID()
  const name = `memory-${id.replaceAll('-', '').slice(0, 16)}`
  try {
    await mkdir(directory, { recursive: true })
    const total = memory.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    const written = await toFile(join(directory, name), (file) =>
      writeMemory(file, memory, (bytes) => progress?.((done += bytes), total)),
    )
    const { parts, sums, pages } = written
    const content: SnapshotContent = {
      ...{ id, created: new Date().toISOString() },
      ...(parent && { parent: { directory: relative(resolve(directory), parent.directory), id: parent.content.id } }),
      ...{ file: name, parts, sums },
      ...(parent && { pages }),
      machine,
    }
    await toFile(join(directory, `${STATE}.new`), (file) => file.writeFile(encodeSnapshot(content)))
    await rename(join(directory, `${STATE}.new`), join(directory, STATE))
    await syncDirectory(directory)
    await removeOthers(directory, name)
    return content
  } catch (cause) {
    // What was there is there still; what could not be finished is in nobody's way.
    await rm(join(directory, name), { force: true }).catch(() => undefined)
    if (cause instanceof KvmError) throw cause
    throw new KvmError(
      'ERR_KVM_SNAPSHOT',
      `the snapshot ${directory} could not be written: ${(cause as Error).message}`,
      {
        operands: { path: directory },
        cause,
      },
    )
  }
}

/** Opens one. Throws `ERR_KVM_SNAPSHOT` for what is not there, not whole, or not of this library. */
export async function openSnapshot(directory: string): Promise<SnapshotFiles> {
  const path = join(directory, STATE)
  const content = decodeSnapshot(path, await readState(path))
  const file = join(directory, content.file)
  const memory = await open(file, READ).catch((cause: unknown) => {
    throw damaged(file, 'its memory file cannot be opened', cause)
  })
  const facts = await memory.stat()
  if (!facts.isFile() || facts.size !== lengthOf(content.parts)) {
    await memory.close()
    throw damaged(file, `it has ${facts.size} bytes, and should have ${lengthOf(content.parts)}: it has been cut off`)
  }
  return { directory: resolve(directory), content, memory, stored: facts.blocks * 512 }
}

async function readState(path: string): Promise<string> {
  let file: FileHandle | undefined
  try {
    file = await open(path, READ)
    const facts = await file.stat()
    if (!facts.isFile()) throw damaged(path, 'it is no file')
    const { size } = facts
    if (size > MAX_STATE_BYTES) throw damaged(path, `it has ${size} bytes, more than any snapshot`)
    return await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof KvmError) throw cause
    const { code } = cause as { code?: string }
    throw damaged(path, code === 'ENOENT' ? 'there is no whole snapshot' : 'it cannot be read', cause)
  } finally {
    await file?.close()
  }
}

/** Makes a file, of which a crash leaves nothing or, once this has resolved, all. */
async function toFile<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'w', 0o600)
  try {
    const result = await write(file)
    await file.sync()
    return result
  } finally {
    await file.close()
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** The memory of what was replaced, or never finished. Whoever has it open keeps it. */
async function removeOthers(directory: string, name: string): Promise<void> {
  const others = (await readdir(directory)).filter((each) => MEMORY.test(each) && each !== name)
  await Promise.all(others.map((each) => rm(join(directory, each), { force: true })))
}
