import { FileDisk, type FileDiskOptions } from '../disk/file-disk.js'

/**
 * Opens a raw file or a block device as a disk, for a {@link Block}. Throws `ERR_KVM_DISK` where that cannot be: the file is not
 * there or may not be opened.
 */
export function openDisk(path: string, options: FileDiskOptions = {}): Promise<FileDisk> {
  return FileDisk.open(path, options)
}
