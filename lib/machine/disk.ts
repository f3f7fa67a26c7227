import type { Disk } from '../disk/disk.js'
import type { FileDisk, FileDiskOptions } from '../disk/file-disk.js'
import { type DiskOptions, openDiskWith } from '../disk/open-disk.js'
import { fileCalls } from '../kvm/file-calls.js'

/**
 * Opens a file or a block device as a disk, for a `Block`. It is locked against others who open it as a disk, here or in
 * another process: several may read it, or one may write to it. Throws `ERR_KVM_DISK` where that cannot be.
 */
export function openDisk(path: string, options?: FileDiskOptions & { format?: 'raw' }): Promise<FileDisk>
export function openDisk(path: string, options: DiskOptions): Promise<Disk>
export function openDisk(path: string, options: DiskOptions = {}): Promise<Disk> {
  return openDiskWith(path, options, fileCalls)
}
