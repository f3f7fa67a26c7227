import { CHUNK, PAGE } from './format.js'

/** Stretches of a file or of memory, in pages: the first one's number, and how many follow each other. */
export type PageRuns = [first: number, count: number][]

const ZEROS = Buffer.alloc(CHUNK)
const ZERO_PAGE = ZEROS.subarray(0, PAGE)

const pageOf = (bytes: Uint8Array, page: number) => bytes.subarray(page * PAGE, (page + 1) * PAGE)

/** The pages of `bytes` for which `wanted` holds. */
export function runsWhere(bytes: Uint8Array, wanted: (page: Uint8Array, index: number) => boolean): PageRuns {
  const runs: PageRuns = []
  for (let index = 0; index < bytes.length / PAGE; index++) {
    if (!wanted(pageOf(bytes, index), index)) continue
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === index) last[1]++
    else runs.push([index, 1])
  }
  return runs
}

export const isZero = (page: Uint8Array): boolean => ZERO_PAGE.equals(page)

/** Whether a chunk, or a part of one, is all zeros: most of a memory is. */
export const isAllZero = (bytes: Uint8Array): boolean => ZEROS.subarray(0, bytes.length).equals(bytes)

/** The part of each run that lies in the pages from `first` on, counted from there. `runs` are in order. */
export function* runsWithin(runs: PageRuns, first: number, count: number): Generator<[first: number, count: number]> {
  for (const [from, pages] of runs) {
    const start = Math.max(from, first)
    const end = Math.min(from + pages, first + count)
    if (start < end) yield [start - first, end - start]
    if (from >= first + count) return
  }
}

/** The same for one stretch after the other, from the first on, each of which is looked for behind the one before. */
export function runsInTurn(runs: PageRuns): (first: number, count: number) => PageRuns {
  let index = 0
  return (first, count) => {
    const found: PageRuns = []
    for (; index < runs.length; index++) {
      const [from, pages] = runs[index] as PageRuns[number]
      if (from >= first + count) break
      const [start, end] = [Math.max(from, first), Math.min(from + pages, first + count)]
      if (start < end) found.push([start - first, end - start])
      if (from + pages > first + count) break
    }
    return found
  }
}
