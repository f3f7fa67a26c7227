import { constants } from 'node:fs'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { describeThrown } from '../format.js'
import { checkBoolean, checkOptions, invalidArgument } from '../validate.js'
import { diskError } from './disk-error.js'
import { type Disk, SECTOR } from './disk.js'
import type { FileCalls } from './file-calls.js'

export interface FileDiskOptions {
  /** Nobody writes to it. Default: false. */
  readonly?: boolean
}

// <linux/falloc.h>.
const KEEP_SIZE = 1
const PUNCH_HOLE = 2
const ZERO_RANGE = 16

/** How much is read at once from what the kernel has in memory: a copy, while nothing else runs. More goes to a thread. */
const MOST_CACHED = 131_072
const MOST_PIECES = 1024

const ZEROS = new Uint8Array(65_536)

/**
 * A raw file, or a block device, as a disk: byte n of the one is byte n of the other. The file may be sparse. Whatever its bytes look
 * like, no other format is seen in them.
 */
export class FileDisk implements Disk {
  readonly path: string
  readonly #file: FileHandle
  #size: number
  readonly #calls: FileCalls | undefined
  readonly #readonly: boolean
  readonly write?: (offset: number, bytes: Uint8Array) => Promise<void>
  readonly writev?: (offset: number, pieces: readonly Uint8Array[]) => Promise<void>
  readonly discard?: (offset: number, length: number) => Promise<void>
  readonly writeZeroes?: (offset: number, length: number, unmap: boolean) => Promise<void>

  private constructor(path: string, file: FileHandle, size: number, readonly: boolean, calls?: FileCalls) {
    this.path = path
    this.#file = file
    this.#size = size
    this.#calls = calls
    this.#readonly = readonly
    if (readonly) return
    this.write = (offset, bytes) => this.#writeAll(offset, [bytes])
    this.writev = (offset, pieces) => this.#writeAll(offset, pieces)
    this.writeZeroes = (offset, length, unmap) => this.#writeZeroes(offset, length, unmap)
    if (calls === undefined) return
    this.discard = async (offset, length) => {
      // Where no room can be given back, it is kept.
      await this.#allocate(PUNCH_HOLE, offset, length)
    }
  }

  /** With `calls`, it is locked against others who open it, and can give room back. */
  static async open(path: string, options: FileDiskOptions = {}, calls?: FileCalls): Promise<FileDisk> {
    if (typeof path !== 'string') throw invalidArgument('path', path, 'a string')
    checkOptions('options', options, ['readonly'])
    const readonly = checkBoolean('readonly', options.readonly ?? false)
    // Whoever opens a FIFO would wait for its other end.
    const flags = (readonly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_NONBLOCK
    const file = await open(path, flags).catch((cause: unknown) => {
      throw diskError(path, `cannot be opened: ${describeThrown(cause)}`, {}, cause)
    })
    try {
      const size = await sizeOf(path, file)
      if (calls !== undefined) lock(path, file, readonly, calls)
      return new FileDisk(path, file, size, readonly, calls)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** As it was when the file was opened, or at the last {@link refresh}. */
  get size(): number {
    return this.#size
  }

  /** Looks how large the file is now. */
  async refresh(): Promise<void> {
    this.#size = await sizeOf(this.path, this.#file)
  }

  read(offset: number, bytes: Uint8Array): Promise<void> {
    return this.readv(offset, [bytes])
  }

  async readv(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    let [at, rest] = [offset, pieces]
    while (rest.length > 0) {
      const bytesRead = this.#readCached(at, rest) || (await this.#file.readv(rest, at)).bytesRead
      if (bytesRead === 0) throw diskError(this.path, `ends at ${at}: it is shorter than it was`, { offset: at })
      at += bytesRead
      rest = without(rest, bytesRead)
    }
  }

  async flush(): Promise<void> {
    await this.#file.datasync()
  }

  /** It stays open, and others may lock it. */
  async letGo(): Promise<void> {
    if (!this.#readonly) await this.flush()
    this.#calls?.unlock(this.#file.fd)
  }

  /** Throws `ERR_KVM_DISK` where somebody has it. */
  takeBack(): void {
    if (this.#calls !== undefined) lock(this.path, this.#file, this.#readonly, this.#calls)
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#file.close()
  }

  /** A request that need not wait for a device need not wait for a thread either. Returns how many bytes that were. */
  #readCached(offset: number, pieces: readonly Uint8Array[]): number {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0)
    const { fd } = this.#file
    if (fd < 0 || bytes > MOST_CACHED || pieces.length > MOST_PIECES) return 0
    return this.#calls?.readCached?.(fd, offset, pieces) ?? 0
  }

  async #writeAll(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    let [at, rest] = [offset, pieces]
    while (rest.length > 0) {
      const { bytesWritten } = await this.#file.writev(rest, at)
      if (bytesWritten === 0) throw diskError(this.path, `takes nothing at ${at}`, { offset: at })
      at += bytesWritten
      rest = without(rest, bytesWritten)
    }
  }

  async #writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    if (await this.#allocate(unmap ? PUNCH_HOLE : ZERO_RANGE, offset, length)) return
    for (let done = 0; done < length; done += ZEROS.length) {
      await this.#writeAll(offset + done, [ZEROS.subarray(0, length - done)])
    }
  }

  /** False where the file cannot do that. */
  async #allocate(mode: number, offset: number, length: number): Promise<boolean> {
    // The kernel refuses it, and there is nothing to do.
    if (length === 0) return true
    return (await this.#calls?.allocate(this.#file.fd, mode | KEEP_SIZE, offset, length)) ?? false
  }
}

/** Several may read it at once, or one may write to it. */
function lock(path: string, file: FileHandle, readonly: boolean, calls: FileCalls): void {
  let isOurs: boolean
  try {
    isOurs = calls.lock(file.fd, !readonly)
  } catch (cause) {
    throw diskError(path, `cannot be locked: ${describeThrown(cause)}`, {}, cause)
  }
  if (isOurs) return
  const others = readonly ? 'somebody writes to it' : 'somebody has it open as a disk'
  throw diskError(path, `is in use: ${others}; end that, or make a copy`, { readonly })
}

/** What is left when the first `done` bytes have gone. */
function without(pieces: readonly Uint8Array[], done: number): readonly Uint8Array[] {
  let left = done
  let first = 0
  for (; first < pieces.length; first++) {
    const length = pieces[first]?.length ?? 0
    if (left < length) break
    left -= length
  }
  const [next, ...rest] = pieces.slice(first)
  return next === undefined ? [] : [next.subarray(left), ...rest]
}

async function sizeOf(path: string, file: FileHandle): Promise<number> {
  const facts = await file.stat()
  if (facts.isFile()) return facts.size
  if (!facts.isBlockDevice()) throw diskError(path, 'is neither a file nor a block device', {})
  // Linux, Documentation/ABI/stable/sysfs-block.
  const [major, minor] = [(facts.rdev >> 8) & 0xfff, (facts.rdev & 0xff) | ((facts.rdev >> 12) & 0xfff00)]
  return SECTOR * Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, 'latin1'))
}
