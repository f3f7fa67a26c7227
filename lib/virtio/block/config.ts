import { type Register, Registers } from '../../bus/registers.js'
import { SECTOR } from '../../disk/disk.js'
import * as L from './layout.js'

/** What the configuration space says. */
export interface BlockConfig {
  /** In sectors. */
  capacity: () => bigint
  segMax: number
  /** In bytes. */
  blockSize: number
  queues: number
  /** 1 while the driver counts on a cache that it flushes, 0 while each write is to be durable when it is done. */
  writeback: { read: () => number; write: (value: number) => unknown }
}

/** What most disks today write at once. */
const PHYSICAL_BLOCK = 4096

/** struct virtio_blk_config (virtio 1.2, 5.2.4). All but the cache's mode is read-only. */
export function configRegisters({ capacity, segMax, blockSize, queues, writeback }: BlockConfig): Registers {
  const fixed = (name: string, offset: number, width: 1 | 2 | 4, value: number): Register => ({
    ...{ name, offset, width },
    read: () => value,
  })
  const blocks = Math.max(1, PHYSICAL_BLOCK / blockSize)
  return new Registers([
    { name: 'capacity', offset: 0, width: 8, read: capacity },
    fixed('seg_max', 12, 4, segMax),
    fixed('blk_size', 20, 4, blockSize),
    fixed('physical_block_exp', 24, 1, Math.log2(blocks)),
    fixed('min_io_size', 26, 2, blocks),
    { name: 'writeback', offset: 32, width: 1, ...writeback },
    fixed('num_queues', 34, 2, queues),
    fixed('max_discard_sectors', 36, 4, L.MAX_SEGMENT_SECTORS),
    fixed('max_discard_seg', 40, 4, L.MAX_SEGMENTS),
    fixed('discard_sector_alignment', 44, 4, blockSize / SECTOR),
    fixed('max_write_zeroes_sectors', 48, 4, L.MAX_SEGMENT_SECTORS),
    fixed('max_write_zeroes_seg', 52, 4, L.MAX_SEGMENTS),
    fixed('write_zeroes_may_unmap', 56, 1, 1),
  ])
}
