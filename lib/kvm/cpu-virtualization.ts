import { existsSync, readFileSync } from 'node:fs'

/** Which hardware virtualization stands behind KVM on this host. */
export type KvmKind = 'intel' | 'amd' | 'pvm' | 'arm64' | 'unknown'

/** A small file of /proc or /sys, trimmed; undefined when it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined // what it would say is unknown then
  }
}

/** The processor's virtualization extension, from /proc/cpuinfo: `vmx` (Intel), `svm` (AMD), or none. */
export function cpuExtension(): 'vmx' | 'svm' | undefined {
  const flags = /^flags\s*:(.*)$/m.exec(readText('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? []
  if (flags.includes('vmx')) return 'vmx'
  return flags.includes('svm') ? 'svm' : undefined
}

/** Whether the kernel itself runs inside a virtual machine, from /proc/cpuinfo. */
export function insideVirtualMachine(): boolean {
  return /^flags\s*:.*\bhypervisor\b/m.test(readText('/proc/cpuinfo') ?? '')
}

/** A module counts as there when it is loaded or built into the kernel. */
function moduleThere(name: string): boolean {
  return existsSync(`/sys/module/${name}`)
}

/** What kind of KVM this host has, as far as its modules and processor tell. */
export function kvmKind(): KvmKind {
  if (process.arch === 'arm64') return 'arm64'
  const extension = cpuExtension()
  // A module that is built in is there on processors that it cannot use, too.
  if (extension === 'vmx') return 'intel'
  if (extension === 'svm') return 'amd'
  return moduleThere('kvm_pvm') ? 'pvm' : 'unknown'
}
