// The calls that only read or write a struct of a vCPU: a row each, in the tables of x86/ and arm64/.
import type { Execution } from './execution.js'
import type { Patch, Struct } from './struct.js'
import type { SyncedRegisters } from './synced-registers.js'

/** A KVM_GET_*. */
export const get =
  <T extends object>(ioctl: string, struct: Struct<T>) =>
  (vcpu: Execution): T => {
    vcpu.settle()
    return vcpu.fd.get(ioctl, struct)
  }

/** A KVM_GET_* of registers that KVM may have left in the kvm_run page. */
export const getSynced =
  <T extends object>(registers: SyncedRegisters<T>) =>
  (vcpu: Execution): T =>
    vcpu.read(registers)

/** A KVM_SET_* whose left-out members keep the value that the KVM_GET_* reads. */
export const update =
  <T extends object>(getIoctl: string, setIoctl: string, struct: Struct<T>) =>
  (vcpu: Execution, patch: Patch<T>): void => {
    vcpu.change(() => {
      vcpu.fd.update(getIoctl, setIoctl, struct, patch)
    })
  }

/** A call without an argument. */
export const plain =
  (ioctl: string) =>
  (vcpu: Execution): void => {
    vcpu.change(() => {
      vcpu.fd.ioctl(ioctl)
    })
  }
