import type { FileHandle } from 'node:fs/promises'
import { CHUNK, type MemoryPart, PAGE } from './format.js'
import { isAllZero, isZero, type PageRuns, runsWhere } from './pages.js'

/** A stretch of guest memory to be written. Nobody changes it meanwhile. */
export interface MemorySource {
  /** Guest physical address of its first byte. */
  readonly at: number
  /** In bytes. */
  readonly size: number
  /** Fills `bytes` with what is there from `offset` on. */
  read(offset: number, bytes: Uint8Array): Promise<void>
  /** Only of some pages: whether that one, by its number from the first, is wanted. */
  readonly has?: ((page: number) => boolean) | undefined
}

/** What was written. */
export interface Written {
  parts: MemoryPart[]
  sums: (string | null)[]
  /** Where some pages were wanted: those. */
  pages: PageRuns
}

/** Where each stretch lies in a memory file: at a multiple of a chunk. */
export function placeParts(sources: readonly { at: number; size: number }[]): MemoryPart[] {
  let offset = 0
  return sources.map(({ at, size }) => {
    const part = { at, size, offset }
    offset += Math.ceil(size / CHUNK) * CHUNK
    return part
  })
}

/** Writes memory to an empty file, without its zeros, which then take no room. `progress` is told of each chunk. */
export async function writeMemory(
  file: FileHandle,
  sources: readonly MemorySource[],
  progress: (bytes: number) => void,
): Promise<Written> {
  const parts = placeParts(sources)
  const sums: (string | null)[] = []
  const pages: PageRuns = []
  const buffer = new Uint8Array(CHUNK)
  for (const [index, source] of sources.entries()) {
    const { offset = 0 } = parts[index] ?? {}
    for (let at = 0; at < source.size; at += CHUNK) {
      const bytes = buffer.subarray(0, Math.min(CHUNK, source.size - at))
      await source.read(at, bytes)
      const firstPage = at / PAGE
      const { has } = source
      const wanted = has && runsWhere(bytes, (_, page) => has(firstPage + page))
      sums.push(await sumOf(bytes, wanted))
      const holds = (page: Uint8Array, number: number) => (has?.(firstPage + number) ?? true) && !isZero(page)
      const runs = isAllZero(bytes) ? [] : runsWhere(bytes, holds)
      for (const [first, count] of runs)
        await writeAll(file, bytes.subarray(first * PAGE, (first + count) * PAGE), offset + at + first * PAGE)
      for (const [first, count] of wanted ?? []) pages.push([(offset + at) / PAGE + first, count])
      progress(bytes.length)
    }
  }
  await file.truncate(lengthOf(parts))
  return { parts, sums, pages }
}

/** How long a memory file is. */
export const lengthOf = (parts: readonly MemoryPart[]): number =>
  parts.reduce((end, { offset, size }) => Math.max(end, offset + size), 0)

/** The checksum of a chunk, or of the pages of it that are there; null for one that has nothing but zeros, or nothing. */
export async function sumOf(bytes: Uint8Array, wanted?: PageRuns): Promise<string | null> {
  const parts = wanted?.map(([first, count]) => bytes.subarray(first * PAGE, (first + count) * PAGE))
  if (parts?.length === 0) return null
  const all = parts === undefined ? bytes : Buffer.concat(parts)
  if (parts === undefined && isAllZero(all)) return null
  // On another thread.
  const digest = await crypto.subtle.digest('SHA-256', all)
  return Buffer.from(digest).toString('hex')
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}
