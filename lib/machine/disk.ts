import { FileDisk, type FileDiskOptions } from '../disk/file-disk.js'
import { fileCalls } from '../kvm/file-calls.js'

/**
 * Opens a raw file or a block device as a disk, for a {@link Block}. It is locked against others who open it as a disk, here or in
 * another process: several may read it, or one may write to it. Throws `ERR_KVM_DISK` where that cannot be.
 */
export function openDisk(path: string, options: FileDiskOptions = {}): Promise<FileDisk> {
  return FileDisk.open(path, options, fileCalls)
}
