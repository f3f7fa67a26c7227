import { KvmError, type KvmErrorCode } from '../errors.js'
import { cpuExtension, insideVirtualMachine, kvmKind } from './cpu-virtualization.js'
import { errnoName } from './fd.js'

export const DEFAULT_DEVICE = '/dev/kvm'

/** Why `/dev/kvm` is not there, and what to do. */
function missingDevice(path: string): string {
  if (path !== DEFAULT_DEVICE) return 'there is no such file; the usual device is /dev/kvm'
  if (process.arch === 'arm64') return 'the kernel started without KVM: it must be entered at EL2, with CONFIG_KVM'
  const extension = cpuExtension()
  if (extension === 'vmx') return 'load the module: sudo modprobe kvm_intel'
  if (extension === 'svm') return 'load the module: sudo modprobe kvm_amd'
  return insideVirtualMachine()
    ? 'this machine is itself virtual and its hypervisor offers no nested virtualization; switch that on there'
    : 'the processor shows no virtualization (vmx or svm); switch VT-x or AMD-V on in the firmware setup'
}

function noPermission(path: string): string {
  return `this user may not open it; join its group (sudo usermod -aG kvm $USER, then log in again) or run as root; see ls -l ${path}`
}

const CAUSES: Record<string, { code: KvmErrorCode; advice: (path: string) => string }> = {
  ENOENT: { code: 'ERR_KVM_NO_DEVICE', advice: missingDevice },
  ENODEV: { code: 'ERR_KVM_NO_DEVICE', advice: missingDevice },
  ENXIO: { code: 'ERR_KVM_NO_DEVICE', advice: missingDevice },
  EACCES: { code: 'ERR_KVM_NO_PERMISSION', advice: noPermission },
  EPERM: { code: 'ERR_KVM_NO_PERMISSION', advice: noPermission },
  ENOTTY: { code: 'ERR_KVM_OPEN', advice: () => 'that is not a KVM device' },
  EMFILE: { code: 'ERR_KVM_OPEN', advice: () => 'this process has no file descriptor left (ulimit -n)' },
  EISDIR: { code: 'ERR_KVM_OPEN', advice: () => 'that is a directory' },
}

/** The error for a device that cannot be opened, from the error that the system call gave. */
export function openFailure(path: string, cause: unknown): KvmError {
  const { errno } = cause as { errno?: number }
  if (errno === undefined) return cause as KvmError
  const name = errnoName(errno)
  const known = CAUSES[name]
  const advice = known === undefined ? '' : `: ${known.advice(path)}`
  return new KvmError(known?.code ?? 'ERR_KVM_OPEN', `cannot use ${path} (${name})${advice}`, {
    operands: { path, kind: kvmKind() },
    errno,
    cause,
  })
}
