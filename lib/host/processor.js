// @ts-check
import { existsSync } from 'node:fs'
import { readText } from './files.js'

/** The processor's virtualization extension, from /proc/cpuinfo: `vmx` (Intel), `svm` (AMD), or none. */
export function cpuExtension() {
  const flags = /^flags\s*:(.*)$/m.exec(readText('/proc/cpuinfo') ?? '')?.[1]?.split(' ') ?? []
  if (flags.includes('vmx')) return 'vmx'
  return flags.includes('svm') ? 'svm' : undefined
}

/** Whether the kernel itself runs inside a virtual machine, from /proc/cpuinfo. */
export function insideVirtualMachine() {
  return /^flags\s*:.*\bhypervisor\b/m.test(readText('/proc/cpuinfo') ?? '')
}

/**
 * What kind of KVM this host has, as far as its modules and processor tell.
 * @returns {import('./types.js').KvmKind}
 */
export function kvmKind() {
  if (process.arch === 'arm64') return 'arm64'
  const extension = cpuExtension()
  // A module that is built in is there on processors that it cannot use, too.
  if (extension === 'vmx') return 'intel'
  if (extension === 'svm') return 'amd'
  return existsSync('/sys/module/kvm_pvm') ? 'pvm' : 'unknown'
}

/**
 * How KVM runs on arm64, and the chip that its guests' interrupts go through, as far as /proc/interrupts tells; KVM has no call for
 * it. Only a kernel that itself runs at EL2 (VHE) has to hand its physical timer over to guests.
 */
function hypervisorOfArm64() {
  const interrupts = readText('/proc/interrupts') ?? ''
  const chip = /(\S+) +\d+ +\w+ +kvm guest vtimer$/m.exec(interrupts)?.[1]
  if (chip === undefined) return []
  return [interrupts.includes('kvm guest ptimer') ? 'VHE' : 'nVHE', chip]
}

/** @param {import('./types.js').KvmKind} kind */
export function describeProcessor(kind) {
  const names = {
    intel: 'Intel VT-x',
    amd: 'AMD-V',
    arm64: ['arm64', ...hypervisorOfArm64()].join(', '),
    pvm: 'PVM, without VT-x or AMD-V',
    unknown: 'no virtualization found',
  }
  const nested = (kind === 'intel' || kind === 'amd') && insideVirtualMachine()
  return nested ? `${names[kind]}, nested: this machine is itself virtual` : names[kind]
}

/**
 * What guests cannot do, by the kind of KVM. Seen on kvm_pvm, whatever the VMM: a kernel that does not speak PVM's protocol runs
 * wholly in KVM's instruction emulator.
 * @param {import('./types.js').KvmKind} kind
 * @returns {string[]}
 */
export function limitationsOf(kind) {
  if (kind !== 'pvm') return []
  return [
    '32-bit paging of any kind (two levels, PSE, PAE): the guest ends in a triple fault. Long mode works.',
    'At privilege level 0 a 32-bit iretd, int n, int3, fwait, fldcw, ldmxcsr, xgetbv, stac, clac, movbe and clwb: ' +
      'KVM cannot emulate them and gives up.',
    'A level-triggered interrupt of the I/O APIC arrives twice.',
    'Speed: the kernel emulates each instruction of such a guest, in half a microsecond or more. An operating system takes minutes to boot.',
  ]
}

/** For who looks into the end of a guest, where the host's KVM itself may be the reason: a sentence; undefined elsewhere. */
export function hostToBlame() {
  if (kvmKind() !== 'pvm') return undefined
  return (
    "This host's KVM (kvm_pvm) emulates each instruction, and cannot do some; `node-kvm doctor` names them. " +
    'Where that may be the reason, try it in the lab: npm run lab -- COMMAND.'
  )
}
