// @ts-check
import { closeSync, constants, openSync, statSync } from 'node:fs'
import { cpuExtension, insideVirtualMachine } from './processor.js'
import { whyNoPermission } from './permission.js'
import { byRoot, insideContainer, insideWsl, kernelHasKvm } from './surroundings.js'

export const DEFAULT_DEVICE = '/dev/kvm'

/** misc device 232 (Documentation/admin-guide/devices.txt), as stat() has it for numbers this small. */
const KVM_RDEV = (10 << 8) | 232

/**
 * Why `/dev/kvm` is not there, and what to do.
 * @param {string} path
 */
function whyMissing(path) {
  if (path !== DEFAULT_DEVICE) return 'there is no such file; the usual device is /dev/kvm'
  if (kernelHasKvm()) {
    return insideContainer()
      ? 'the kernel has KVM, but this container was started without the device: start it with --device /dev/kvm (docker, podman)'
      : 'the kernel has KVM, but there is no file for it here; as root: mknod -m 660 /dev/kvm c 10 232'
  }
  if (process.arch === 'arm64') return 'the kernel started without KVM: it must be entered at EL2, with CONFIG_KVM'
  const extension = cpuExtension()
  const where = insideContainer() ? " on the container's host" : ''
  if (extension === 'vmx') return `load the module${where}: ${byRoot('modprobe kvm_intel')}`
  if (extension === 'svm') return `load the module${where}: ${byRoot('modprobe kvm_amd')}`
  if (insideWsl())
    return 'let WSL 2 have it: nestedVirtualization=true under [wsl2] in %UserProfile%\\.wslconfig, then wsl --shutdown'
  return insideVirtualMachine()
    ? 'this machine is itself virtual and its hypervisor offers no nested virtualization; switch that on there'
    : 'the processor shows no virtualization (vmx or svm); switch VT-x or AMD-V on in the firmware setup'
}

/** @type {Record<string, (path: string) => string>} */
const ADVICE = {
  ENOENT: whyMissing,
  ENODEV: whyMissing,
  ENXIO: whyMissing,
  EACCES: whyNoPermission,
  EPERM: whyNoPermission,
  ENOTTY: () => 'that is not a KVM device',
  EMFILE: () => 'this process has no file descriptor left (ulimit -n)',
  EISDIR: () => 'that is a directory',
  // The permission model of Node, which holds for what JavaScript opens.
  ERR_ACCESS_DENIED: (path) =>
    `node's permission model forbids it; add --allow-fs-read=${path} --allow-fs-write=${path}`,
}

/**
 * What to do about a device that cannot be opened, by the error's name; undefined when there is nothing to say.
 * @param {string} path @param {string} error
 */
export function adviceForDevice(path, error) {
  return ADVICE[error]?.(path)
}

/**
 * Opens the device and closes it again. That it can be opened does not say that it works; only the addon can ask it that.
 * @param {string} path
 * @returns {import('./types.js').HostCheck}
 */
export function checkDevice(path) {
  const check = { name: path, required: true }
  const error = openingFails(path)
  if (error === undefined) return { ...check, ok: true, detail: 'opens' }
  const fix = adviceForDevice(path, error)
  return { ...check, ok: false, detail: `cannot use ${path} (${error})`, ...(fix === undefined ? {} : { fix }) }
}

/**
 * The error's name.
 * @param {string} path
 */
function openingFails(path) {
  try {
    closeSync(openSync(path, constants.O_RDWR))
    return statSync(path).rdev === KVM_RDEV ? undefined : 'ENOTTY'
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error)
  }
}
