import { type Disk, SECTOR } from '../../disk/disk.js'
import type { Buffers } from '../buffers.js'

/**
 * How much of a request a disk gets at once: a driver may ask for gigabytes, and what a disk does for one request is to be little
 * enough that others get their turn.
 */
export const PART = 2 ** 20
/** How much is copied at once where a driver has cut its data in the middle of sectors. */
const COPIED = 65_536

/** When the part after the first may be moved: a disk that answers at once would keep the event loop to itself. */
export type MayMove = (bytes: number) => Promise<void> | undefined

/** From the disk into the guest's memory: without a copy, if the driver has cut it into whole sectors. */
export function readInto(disk: Disk, offset: number, data: Buffers, mayMove: MayMove): Promise<void> {
  return inParts(offset, data, mayMove, (at, part) => readPart(disk, at, part))
}

/** And the other way. */
export function writeFrom(disk: Disk, offset: number, data: Buffers, mayMove: MayMove): Promise<void> {
  return inParts(offset, data, mayMove, (at, part) => writePart(disk, at, part))
}

/** One after the other. */
async function inParts(
  offset: number,
  data: Buffers,
  mayMove: MayMove,
  act: (at: number, part: Buffers) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < data.length; done += PART) {
    const part = data.slice(done, done + PART)
    if (done > 0) await mayMove(part.length)
    await act(offset + done, part)
  }
}

async function readPart(disk: Disk, offset: number, data: Buffers): Promise<void> {
  if (disk.readv !== undefined) {
    await disk.readv(offset, data.pieces)
    return
  }
  if (isInSectors(data)) {
    for (const [at, piece] of placed(offset, data)) await disk.read(at, piece)
    return
  }
  for (let done = 0; done < data.length; done += COPIED) {
    const bytes = new Uint8Array(Math.min(COPIED, data.length - done))
    await disk.read(offset + done, bytes)
    data.set(bytes, done)
  }
}

async function writePart(disk: Disk, offset: number, data: Buffers): Promise<void> {
  if (disk.writev !== undefined) {
    await disk.writev(offset, data.pieces)
    return
  }
  if (isInSectors(data)) {
    for (const [at, piece] of placed(offset, data)) await disk.write?.(at, piece)
    return
  }
  for (let done = 0; done < data.length; done += COPIED) {
    await disk.write?.(offset + done, data.copy(done, done + COPIED))
  }
}

const isInSectors = ({ pieces }: Buffers) => pieces.every(({ length }) => length % SECTOR === 0)

function* placed(offset: number, { pieces }: Buffers): Generator<[number, Uint8Array]> {
  let at = offset
  for (const piece of pieces) {
    yield [at, piece]
    at += piece.length
  }
}
