import type { FileCalls } from '../disk/file-calls.js'
import { binding } from './binding.js'
import { errnoName } from './fd.js'

// Of <asm-generic/errno.h>.
const [EAGAIN, EACCES, ENODEV, EINVAL, ENOSYS, EOPNOTSUPP] = [11, 13, 19, 22, 38, 95] as const
/** Somebody else has the lock. */
const LOCKED: readonly number[] = [EAGAIN, EACCES]
/** The file system, or the device, does not do that, or not with such offsets. */
const CANNOT: readonly number[] = [EOPNOTSUPP, ENOSYS, EINVAL, ENODEV]

/** The kernel's: F_OFD_SETLK, preadv2 and fallocate. */
export const fileCalls: FileCalls = {
  lock: (fd, exclusive) => hasDone('F_OFD_SETLK', -binding.lockFile(fd, exclusive), LOCKED),
  unlock: (fd) => void hasDone('F_OFD_SETLK', -binding.lockFile(fd), []),
  // What is wrong with the file the usual way finds out, and says.
  readCached: (fd, offset, pieces) => Math.max(0, binding.readCached(fd, offset, ...pieces)),
  allocate: async (fd, mode, offset, length) =>
    hasDone('fallocate', -(await binding.allocateFile(fd, mode, offset, length)), CANNOT),
}

/** False where it ended with an error that is expected; all others are thrown, in the form of Node's own. */
function hasDone(syscall: string, errno: number, expected: readonly number[]): boolean {
  if (errno === 0) return true
  if (expected.includes(errno)) return false
  const code = errnoName(errno)
  throw Object.assign(new Error(`${code}: ${syscall} failed`), { code, errno: -errno, syscall })
}
