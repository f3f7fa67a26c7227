import { SECTOR } from '../../disk/disk.js'
import type { Buffers } from '../buffers.js'
import type { Chain } from '../chain.js'
import { driverFault } from '../driver-fault.js'
import * as L from './layout.js'

/** A part of the disk, in bytes. */
export interface Range {
  offset: number
  length: number
}

/** What the driver asks for. All of it lies within the disk, and the disk can do it; otherwise it is `refused`. */
export type BlockRequest =
  | ({ operation: 'read' | 'write'; data: Buffers } & Range)
  | { operation: 'flush' }
  | { operation: 'id'; data: Buffers }
  | { operation: 'discard'; ranges: Range[] }
  | { operation: 'writeZeroes'; ranges: (Range & { unmap: boolean })[] }
  | { operation: 'refused'; status: number }

/** What the disk is, and can. */
export interface DiskFacts {
  /** In bytes: whole sectors. */
  size: number
  writable: boolean
  canDiscard: boolean
  canWriteZeroes: boolean
}

const refused = (status: number): BlockRequest => ({ operation: 'refused', status })
const IO_ERROR = refused(L.S_IOERR)
const UNSUPPORTED = refused(L.S_UNSUPP)

/** Reads a request (virtio 1.2, 5.2.6): each of its bytes that decides something once, since the driver may change them. */
export function readRequest({ readable, writable }: Chain, disk: DiskFacts): BlockRequest {
  if (readable.length < L.HEADER_SIZE) {
    throw driverFault('has sent a request without a whole header', { length: readable.length })
  }
  if (writable.length < L.STATUS_SIZE) throw driverFault('has sent a request without room for its status')
  const header = viewOf(readable.copy(0, L.HEADER_SIZE))
  const toRead = writable.slice(0, writable.length - L.STATUS_SIZE)
  const sent = readable.slice(L.HEADER_SIZE)
  const sector = header.getBigUint64(L.HEADER_SECTOR, true)
  switch (header.getUint32(0, true)) {
    case L.T_IN:
      return transfer('read', sector, toRead, disk)
    case L.T_OUT:
      return disk.writable ? transfer('write', sector, sent, disk) : IO_ERROR
    case L.T_FLUSH:
      return { operation: 'flush' }
    case L.T_GET_ID:
      return { operation: 'id', data: toRead.slice(0, L.ID_SIZE) }
    case L.T_DISCARD:
      return disk.canDiscard ? readSegments('discard', sent, disk) : UNSUPPORTED
    case L.T_WRITE_ZEROES:
      return disk.canWriteZeroes ? readSegments('writeZeroes', sent, disk) : UNSUPPORTED
    default:
      return UNSUPPORTED
  }
}

function transfer(operation: 'read' | 'write', sector: bigint, data: Buffers, disk: DiskFacts): BlockRequest {
  const range = within(sector, data.length, disk.size)
  return range === undefined ? IO_ERROR : { operation, data, ...range }
}

function readSegments(operation: 'discard' | 'writeZeroes', table: Buffers, disk: DiskFacts): BlockRequest {
  const count = table.length / L.SEGMENT_SIZE
  if (!Number.isInteger(count) || count === 0 || count > L.MAX_SEGMENTS) return IO_ERROR
  const view = viewOf(table.copy())
  const ranges: (Range & { unmap: boolean })[] = []
  for (let at = 0; at < view.byteLength; at += L.SEGMENT_SIZE) {
    const flags = view.getUint32(at + L.SEGMENT_FLAGS, true)
    const known = operation === 'discard' ? 0 : L.SEGMENT_UNMAP
    if ((flags & ~known) !== 0) return UNSUPPORTED
    const sectors = view.getUint32(at + L.SEGMENT_SECTORS, true)
    const range = within(view.getBigUint64(at, true), sectors * SECTOR, disk.size)
    if (range === undefined || sectors > L.MAX_SEGMENT_SECTORS) return IO_ERROR
    ranges.push({ ...range, unmap: flags !== 0 })
  }
  return { operation, ranges }
}

/** Undefined when it is not wholly on the disk. */
function within(sector: bigint, length: number, size: number): Range | undefined {
  // Exact: where this is not, it is far past the end of any disk.
  const offset = Number(sector) * SECTOR
  return length % SECTOR === 0 && offset <= size && length <= size - offset ? { offset, length } : undefined
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
