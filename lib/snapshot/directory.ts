import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { KvmError } from '../errors.js'
import { damaged, decodeSnapshot, encodeSnapshot, MAX_STATE_BYTES, type SnapshotContent } from './format.js'
import { lengthOf, type MemorySource, writeMemory } from './memory-writer.js'

/** The file without which a directory is no snapshot. It is put in place last. */
const STATE = 'state.json'
/** What {@link write} makes, and whoever was killed meanwhile has left. */
const BEGUN = /^(memory-[0-9a-f]{16}|state\.json\.[0-9a-f-]{36})$/
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
  /** What has to stay where it is: that on which the parent stands, and what is read from. */
  chain?: readonly SnapshotFiles[] | undefined
  /** How many of the bytes have been looked at. */
  progress?: ((done: number, total: number) => void) | undefined
}

// One at a time in this process: each removes what the others have begun.
let turn: Promise<unknown> = Promise.resolve()

/**
 * Writes a snapshot. What is in the directory stays whole until the new one is on the disk, and takes its place in one step; after a
 * crash there is the old one, or none.
 */
export function writeSnapshot(directory: string, options: WriteOptions): Promise<SnapshotContent> {
  const written = turn.then(() => write(directory, options))
  turn = written.catch(() => undefined)
  return written
}

async function write(directory: string, options: WriteOptions): Promise<SnapshotContent> {
  const { machine, memory, parent, chain = [], progress } = options
  const id = randomUUID()
  const name = `memory-${id.replaceAll('-', '').slice(0, 16)}`
  const memoryFile = join(directory, name)
  const stateFile = join(directory, `${STATE}.${id}`)
  let begun = [memoryFile, stateFile]
  try {
    await makeDirectory(directory)
    await checkChain(directory, chain)
    const total = memory.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    const { parts, sums, pages } = await toFile(memoryFile, (file) =>
      writeMemory(file, memory, (bytes) => progress?.((done += bytes), total)),
    )
    const content: SnapshotContent = {
      ...{ id, created: new Date().toISOString() },
      ...(parent && { parent: { directory: relative(resolve(directory), parent.directory), id: parent.content.id } }),
      ...{ file: name, parts, sums },
      ...(parent && { pages }),
      machine,
    }
    await toFile(stateFile, (file) => file.writeFile(encodeSnapshot(content)))
    await syncDirectory(directory)
    await rename(stateFile, join(directory, STATE))
    // From here on it is the one that is there.
    begun = []
    await syncDirectory(directory)
    await removeOthers(directory, name)
    return content
  } catch (cause) {
    // What was there is there still; what could not be finished is in nobody's way.
    await Promise.all(begun.map((each) => rm(each, { force: true }).catch(() => undefined)))
    if (cause instanceof KvmError) throw cause
    throw notWritten(directory, (cause as Error).message, cause)
  }
}

async function makeDirectory(directory: string): Promise<void> {
  const made = await mkdir(directory, { recursive: true })
  if (made !== undefined) await syncDirectory(dirname(resolve(made)))
}

/** That what others stand on is there still, and is not replaced. */
async function checkChain(directory: string, chain: readonly SnapshotFiles[]): Promise<void> {
  const target = await stat(directory)
  for (const { directory: other, content } of chain) {
    const { dev, ino } = await stat(other)
    if (dev === target.dev && ino === target.ino) {
      throw notWritten(directory, 'it has a snapshot that this one is made of; take another directory')
    }
    const path = join(other, STATE)
    const there = decodeSnapshot(path, await readState(path))
    if (there.id !== content.id) throw notWritten(directory, `${other} has another snapshot now`)
  }
}

function notWritten(directory: string, why: string, cause?: unknown): KvmError {
  return new KvmError('ERR_KVM_SNAPSHOT', `the snapshot ${directory} could not be written: ${why}`, {
    operands: { path: directory },
    ...(cause === undefined ? {} : { cause }),
  })
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
    if (facts.size > MAX_STATE_BYTES) throw damaged(path, `it has ${facts.size} bytes, more than any snapshot`)
    // And no more, should it grow meanwhile.
    const bytes = Buffer.alloc(facts.size)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    return bytes.toString('utf8', 0, bytesRead)
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
  const file = await open(path, 'wx', 0o600)
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

/** The memory of what was replaced, or never finished. Whoever has it open keeps it. That it cannot be removed harms nobody. */
async function removeOthers(directory: string, name: string): Promise<void> {
  const others = (await readdir(directory)).filter((each) => BEGUN.test(each) && each !== name)
  await Promise.allSettled(others.map((each) => rm(join(directory, each), { force: true })))
}
