// What it means that the kernel refuses memory.
import { KvmError } from '../errors.js'
import { errnoName, systemFailure } from './fd.js'

const POOL = 'it is made of huge pages from the pool'

/** The error for memory, or a file, of another kind than is needed. */
export function wrongKind(why: string, operands: Record<string, unknown>, cause?: unknown): KvmError {
  return new KvmError('ERR_KVM_MEMORY_KIND', `this memory ${why}`, { operands, ...refusal(cause) })
}

/** The error for memory that could not be allocated or mapped. */
export function allocationFailure(size: number, hugePages: unknown, cause: unknown): KvmError {
  const advice = /^E[MN]FILE$/.test(nameOf(cause))
    ? 'no file descriptor is left; close VMs, or raise the limit (ulimit -n)'
    : hugePages === undefined || hugePages === 'transparent'
      ? 'the host refuses that much'
      : `the host has too few free huge pages; reserve some in /sys/kernel/mm/hugepages`
  return new KvmError('ERR_KVM_OUT_OF_MEMORY', `cannot allocate ${size} bytes of guest memory: ${advice}`, {
    operands: { size, hugePages },
    ...refusal(cause),
  })
}

/** The error for a file that cannot be mapped as memory. */
export function mappingFailure(fd: number, size: number, cause: unknown): KvmError {
  const { syscall } = cause as { syscall?: string }
  if (syscall === 'F_GET_SEALS') {
    const why = 'cannot be: its file can shrink, and an access would end this process then'
    const advice = 'seal it (F_SEAL_SHRINK), or take `unsealed: true` if nobody makes it shorter'
    return wrongKind(`${why}; ${advice}`, { fd, size }, cause)
  }
  const why: Record<string, string> = {
    EACCES: 'its descriptor was not opened for reading and writing; take `private: true` for a copy',
    EPERM: 'its file is sealed against writing; take `private: true` for a copy',
    EINVAL: 'offset and size must be multiples of the page size of its file',
    ENODEV: 'its file is in a file system that cannot be mapped',
  }
  const reason = why[nameOf(cause)]
  if (reason === undefined) return allocationFailure(size, undefined, cause)
  return wrongKind(`cannot be: ${reason}`, { fd, size }, cause)
}

/** The error for memory that could not be frozen. */
export function freezeFailure(size: number, cause: unknown): KvmError {
  const name = nameOf(cause)
  if (name === 'EBUSY') {
    return new KvmError(
      'ERR_KVM_MEMORY_IN_USE',
      'this memory cannot be frozen while another mapping, here or in another process, can write to its file; close that first',
      { operands: { size }, ...refusal(cause) },
    )
  }
  if (name === 'ENOMEM') return allocationFailure(size, undefined, cause)
  const why = name === 'EOPNOTSUPP' ? POOL : 'its file is none that can be sealed (a memfd is)'
  return wrongKind(`cannot be frozen: ${why}`, { size }, cause)
}

/** The error for what only a copy can do. */
export function copyFailure(what: string, size: number, cause: unknown): unknown {
  const name = nameOf(cause)
  if (name === 'EINVAL') return wrongKind(`cannot ${what}: it is no copy of a file`, { size }, cause)
  if (name === 'EBUSY') {
    return new KvmError(
      'ERR_KVM_MEMORY_IN_USE',
      `this memory cannot ${what} while it has a userfaultfd; close that first`,
      {
        operands: { size },
        ...refusal(cause),
      },
    )
  }
  return systemFailure(`this memory cannot ${what}`, cause)
}

/** The error for a userfaultfd that could not be made. */
export function userfaultFailure(size: number, cause: unknown): unknown {
  const { syscall, errno } = cause as { syscall?: string; errno?: number }
  const name = nameOf(cause)
  if (syscall === 'userfaultfd' && (name === 'EPERM' || name === 'EACCES')) {
    return new KvmError(
      'ERR_KVM_NO_PERMISSION',
      'this user may not have a userfaultfd for what KVM touches: run as root or with CAP_SYS_PTRACE, ' +
        'make /dev/userfaultfd accessible (Linux 6.1), or `sudo sysctl vm.unprivileged_userfaultfd=1`',
      { operands: { size }, ...refusal(cause) },
    )
  }
  if (syscall === 'userfaultfd' && name === 'ENOSYS') {
    return new KvmError('ERR_KVM_UNSUPPORTED', 'this kernel has no userfaultfd', { ...refusal(cause) })
  }
  if (syscall === 'UFFDIO_REGISTER' && name === 'EINVAL') {
    return wrongKind(
      'has no faults of that kind: minor ones are for a memfd, and the kernel may know no others',
      { size },
      cause,
    )
  }
  if (name === 'EBUSY') {
    return new KvmError(
      'ERR_KVM_MEMORY_IN_USE',
      'vhost-net reaches this memory; do without vhost, or close the tap first',
      {
        operands: { size },
        ...refusal(cause),
      },
    )
  }
  if (name === 'EOPNOTSUPP') return wrongKind(`cannot have a userfaultfd: ${POOL}`, { size }, cause)
  return errno === undefined ? cause : systemFailure('a userfaultfd cannot be made', cause)
}

function nameOf(cause: unknown): string {
  const { errno } = cause as { errno?: number }
  return errno === undefined ? '' : errnoName(errno)
}

function refusal(cause: unknown): { errno?: number; cause?: unknown } {
  if (cause === undefined) return {}
  const { errno } = cause as { errno?: number }
  return { cause, ...(errno === undefined ? {} : { errno }) }
}
