/**
 * Every error that the library throws is a {@link KvmError} with a stable `code`.
 *
 * | code | when |
 * | --- | --- |
 * | `ERR_KVM_ADDON` | the native addon could not be loaded |
 * | `ERR_KVM_NO_DEVICE` | `/dev/kvm` does not exist |
 * | `ERR_KVM_NO_PERMISSION` | `/dev/kvm`, or a userfaultfd, may not be opened by this user |
 * | `ERR_KVM_OPEN` | `/dev/kvm` could not be opened for another reason |
 * | `ERR_KVM_API_VERSION` | the device speaks another version of the KVM API |
 * | `ERR_KVM_UNSUPPORTED` | this host or architecture lacks what was asked for |
 * | `ERR_KVM_IOCTL` | the kernel refused an ioctl; see `ioctl` and `errno` |
 * | `ERR_KVM_INVALID_ARGUMENT` | an argument has the wrong type, range or length |
 * | `ERR_KVM_CLOSED` | the handle, or what it belongs to, has been closed |
 * | `ERR_KVM_OUTSIDE_MEMORY` | a guest physical address has no memory behind it |
 * | `ERR_KVM_NOT_CONTIGUOUS` | a view would cross from one region into the next |
 * | `ERR_KVM_MEMORY_OVERLAP` | a region would overlap another one of the same VM, or a device would cover RAM |
 * | `ERR_KVM_MEMORY_LIMIT` | the VM has no free memory slot |
 * | `ERR_KVM_CELL_LIMIT` | the VM has no free cell for a register |
 * | `ERR_KVM_MEMORY_IN_USE` | memory cannot be closed, or frozen, while somebody uses it |
 * | `ERR_KVM_MEMORY_KIND` | memory, or the file that is to be memory, is of another kind than the call needs |
 * | `ERR_KVM_USERFAULT` | this thread would have to wait for its own userfault handler |
 * | `ERR_KVM_OUT_OF_MEMORY` | the host has no memory, or no huge pages, to give |
 * | `ERR_KVM_VCPU_LIMIT` | the host allows no further vCPU, or none with that id |
 * | `ERR_KVM_VCPU_EXISTS` | the VM has a vCPU with that id |
 * | `ERR_KVM_MSR` | the kernel does not let one of the MSRs be read or written |
 * | `ERR_KVM_RUNNING` | the vCPU runs on its own thread: pause or stop it first |
 * | `ERR_KVM_ACCESS_PENDING` | state was asked for in the middle of an access that needs another `run()` |
 * | `ERR_KVM_BUS_OVERLAP` | a device, or a cell, would share an address with another one on the same bus |
 * | `ERR_KVM_LINE_CONFLICT` | two devices would share an interrupt line, one with edges and one with levels |
 * | `ERR_KVM_NO_RESOURCE` | no ports, memory or interrupt line is left for a device that may have any, or no GSI for an MSI |
 * | `ERR_KVM_UNCLAIMED_ACCESS` | the guest's access reached no device, on a strict bus |
 * | `ERR_KVM_INVALID_STATE` | a saved state is not one that the device can have |
 * | `ERR_KVM_SNAPSHOT` | the host does not take over a part of a saved state: `operands.component` |
 * | `ERR_KVM_MIGRATION` | a machine was not moved: the stream ended, or the other side refused or is none; the source has it |
 * | `ERR_KVM_MIGRATION_SLOW` | a machine was not moved: its guest writes faster than the stream carries; the source has it |
 * | `ERR_KVM_MIGRATION_IN_DOUBT` | only the target knows whether it has the machine; the source stands still |
 * | `ERR_KVM_BOOT_IMAGE` | a kernel, initrd, firmware or other image is malformed, or does not fit into the guest's memory |
 * | `ERR_KVM_EXPECT_TIMEOUT` | the guest did not write in time what a script waits for |
 * | `ERR_KVM_GUEST_ENDED` | the guest ended before it wrote what a script waits for, or the machine has run already |
 * | `ERR_KVM_GUEST_FAILED` | the guest under test has panicked, died otherwise or run too long; `operands.reason` says which |
 * | `ERR_KVM_CONSOLE_FULL` | a script types more than may wait for the guest, or waits too often at once |
 * | `ERR_KVM_CONSOLE_IN_USE` | a console was given to two lines, or to two machines, at once |
 * | `ERR_KVM_VIRTIO_DRIVER` | the guest's driver has broken a rule of virtio; the device waits to be reset |
 * | `ERR_KVM_DISK` | a disk cannot be opened, is in use, is malformed, or is shorter than it was |
 * | `ERR_KVM_NETWORK` | a tap cannot be opened, or what a network card is plugged into has gone |
 * | `ERR_KVM_DEVICE_FAILED` | a device has thrown or failed otherwise, or several have; `operands` says which, and in which access |
 */
export type KvmErrorCode =
  | 'ERR_KVM_ADDON'
  | 'ERR_KVM_NO_DEVICE'
  | 'ERR_KVM_NO_PERMISSION'
  | 'ERR_KVM_OPEN'
  | 'ERR_KVM_API_VERSION'
  | 'ERR_KVM_UNSUPPORTED'
  | 'ERR_KVM_IOCTL'
  | 'ERR_KVM_INVALID_ARGUMENT'
  | 'ERR_KVM_CLOSED'
  | 'ERR_KVM_OUTSIDE_MEMORY'
  | 'ERR_KVM_NOT_CONTIGUOUS'
  | 'ERR_KVM_MEMORY_OVERLAP'
  | 'ERR_KVM_MEMORY_LIMIT'
  | 'ERR_KVM_CELL_LIMIT'
  | 'ERR_KVM_MEMORY_IN_USE'
  | 'ERR_KVM_MEMORY_KIND'
  | 'ERR_KVM_USERFAULT'
  | 'ERR_KVM_OUT_OF_MEMORY'
  | 'ERR_KVM_VCPU_LIMIT'
  | 'ERR_KVM_VCPU_EXISTS'
  | 'ERR_KVM_MSR'
  | 'ERR_KVM_RUNNING'
  | 'ERR_KVM_ACCESS_PENDING'
  | 'ERR_KVM_BUS_OVERLAP'
  | 'ERR_KVM_LINE_CONFLICT'
  | 'ERR_KVM_NO_RESOURCE'
  | 'ERR_KVM_UNCLAIMED_ACCESS'
  | 'ERR_KVM_INVALID_STATE'
  | 'ERR_KVM_SNAPSHOT'
  | 'ERR_KVM_MIGRATION'
  | 'ERR_KVM_MIGRATION_SLOW'
  | 'ERR_KVM_MIGRATION_IN_DOUBT'
  | 'ERR_KVM_BOOT_IMAGE'
  | 'ERR_KVM_EXPECT_TIMEOUT'
  | 'ERR_KVM_GUEST_ENDED'
  | 'ERR_KVM_GUEST_FAILED'
  | 'ERR_KVM_CONSOLE_FULL'
  | 'ERR_KVM_CONSOLE_IN_USE'
  | 'ERR_KVM_VIRTIO_DRIVER'
  | 'ERR_KVM_DISK'
  | 'ERR_KVM_NETWORK'
  | 'ERR_KVM_DEVICE_FAILED'

/** What a {@link KvmError} can carry beside its code and message. */
export interface KvmErrorDetails {
  /** What the failed call was about: addresses, lengths, names. */
  operands?: Record<string, unknown>
  /** The kernel's error number, positive, for errors that the kernel reported. */
  errno?: number
  /** The ioctl that failed, by the kernel's name. */
  ioctl?: string
  /** The error that led to this one. */
  cause?: unknown
}

/** The one error class of the library; see {@link KvmErrorCode} for what each `code` means. */
export class KvmError extends Error {
  override readonly name = 'KvmError'
  readonly code: KvmErrorCode
  /** What the failed call was about: addresses, lengths, names. */
  readonly operands: Readonly<Record<string, unknown>>
  /** The kernel's error number, positive; absent when the library itself refused. */
  declare readonly errno?: number
  /** The ioctl that failed, by the kernel's name. */
  declare readonly ioctl?: string

  constructor(code: KvmErrorCode, message: string, details: KvmErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.operands = details.operands ?? {}
    if (details.errno !== undefined) this.errno = details.errno
    if (details.ioctl !== undefined) this.ioctl = details.ioctl
  }
}
