import { PHYSICAL_ADDRESS_END } from '../memory/accessors.js'
import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeMemory } from './binding.js'
import { mappingFailure } from './memory-failure.js'

/** A file that is to be guest memory. */
export interface MemoryFileOptions {
  /** A descriptor of a memfd or of another file, open for reading and, unless `private`, for writing. */
  fd: number
  /** In bytes, a multiple of the host's page size; otherwise all of the file from `offset` on. */
  size?: number
  /** Where in the file the memory begins, in bytes, a multiple of the host's page size. */
  offset?: number
  /**
   * A copy: what is written to it is not in the file. A page that it has not written to shows the file, and so what others write
   * there later: have the file sealed against writing (`F_SEAL_WRITE`), as that of a {@link MemoryImage} is, or let nobody write.
   */
  private?: boolean
  /**
   * Takes a file that is not sealed against shrinking (`F_SEAL_SHRINK`), as none on a disk can be. When somebody makes it shorter,
   * or no room is left for what a guest writes to it, the kernel ends this process by `SIGBUS`.
   */
  unsealed?: boolean
}

/** native/memory.cc, `enum class Backing`. */
export const Backing = { memfd: 0, anonymous: 1, file: 2, copyOfFile: 3, image: 4 } as const

interface MemoryFile {
  fd: number
  size: number
  offset: number
  backing: number
  unsealed: boolean
}

/** The options of `HostMemory.fromFd()` as a complete value. */
export function checkFile(options: MemoryFileOptions): MemoryFile {
  const given = checkOptions('options', options, ['fd', 'size', 'offset', 'private', 'unsealed'])
  const fd = checkInteger('fd', given['fd'], 0, 2 ** 31 - 1)
  const unsealed = checkBoolean('unsealed', given['unsealed'] ?? false)
  const backing = checkBoolean('private', given['private'] ?? false) ? Backing.copyOfFile : Backing.file
  const length = lengthOf(fd)
  const offset = checkPages('offset', given['offset'] ?? 0, 0, length)
  const size = checkPages('size', given['size'] ?? length - offset, binding.pageSize, length - offset)
  return { fd, size, offset, backing, unsealed }
}

/** Maps a file as memory. It must be as long as that. */
export function openFile({ fd, size, offset, backing, unsealed }: MemoryFile): NativeMemory {
  try {
    return new binding.Memory(size, backing, 0, false, fd, offset, unsealed)
  } catch (cause) {
    throw mappingFailure(fd, size, cause)
  }
}

function lengthOf(fd: number): number {
  try {
    const facts = process.getBuiltinModule('node:fs').fstatSync(fd)
    if (facts.isFile()) return Math.min(facts.size, PHYSICAL_ADDRESS_END)
  } catch {
    // Not open.
  }
  throw invalidArgument('fd', fd, 'an open descriptor of a memfd or of another file')
}

function checkPages(name: string, value: unknown, min: number, max: number): number {
  const bytes = checkInteger(name, value, min, max)
  if (bytes % binding.pageSize !== 0) throw invalidArgument(name, value, `a multiple of ${binding.pageSize}`)
  return bytes
}
