import { KvmError } from '../errors.js'
import { DEFAULT_DEVICE } from '../host/device.js'
import { hostFacts, isUsable } from '../host/facts.js'
import { readText } from '../host/files.js'
import type { HostCheck, HostFacts } from '../host/types.js'
import { CAPABILITIES, type CapabilityName } from './capabilities.js'
import { Kvm } from './kvm.js'

/** What this host's KVM can do. */
export interface HostReport extends HostFacts {
  /** Whether guests can run here. */
  usable: boolean
  limits: {
    /** vCPUs that a VM should have at most (KVM_CAP_NR_VCPUS). */
    recommendedVcpus: number
    /** vCPUs that a VM can have at most (KVM_CAP_MAX_VCPUS). */
    maxVcpus: number
    /** Memory regions that a VM can have at most (KVM_CAP_NR_MEMSLOTS). */
    memorySlots: number
    /** Open files that this process can have at most; a VM and each vCPU take one or two. */
    openFiles: number | undefined
    /** Free huge pages of 2 MiB. */
    freeHugePages: number | undefined
  }
  /** Every capability that the host has, with what KVM_CHECK_EXTENSION says of it. */
  capabilities: Partial<Record<CapabilityName, number>>
}

interface Wanted {
  capability: CapabilityName
  what: string
  required: boolean
  only?: string
}

// What this library builds on, in the order in which a reader would ask.
const WANTED: readonly Wanted[] = [
  { capability: 'KVM_CAP_USER_MEMORY', what: 'guest memory', required: true },
  { capability: 'KVM_CAP_IMMEDIATE_EXIT', what: 'deadlines and kicks', required: true },
  { capability: 'KVM_CAP_IRQCHIP', what: 'in-kernel interrupt controller', required: false },
  { capability: 'KVM_CAP_PIT2', what: 'in-kernel timer', required: false, only: 'x64' },
  { capability: 'KVM_CAP_SET_TSS_ADDR', what: 'real mode on Intel', required: false, only: 'x64' },
  { capability: 'KVM_CAP_SYNC_REGS', what: 'registers without an ioctl', required: false, only: 'x64' },
  { capability: 'KVM_CAP_READONLY_MEM', what: 'read-only memory', required: false },
  { capability: 'KVM_CAP_SET_GUEST_DEBUG', what: 'single-stepping and breakpoints', required: false },
  { capability: 'KVM_CAP_IRQFD', what: 'interrupts by eventfd', required: false },
  { capability: 'KVM_CAP_IOEVENTFD', what: 'doorbells by eventfd', required: false },
  { capability: 'KVM_CAP_COALESCED_MMIO', what: 'batched MMIO writes', required: false },
]

const OLD_KERNEL = 'this kernel or its KVM module lacks it; a newer kernel may have it'

/** Looks at this host and never throws: what is wrong is in the report. */
export function probeHost(options: { path?: string } = {}): HostReport {
  const path = options.path ?? DEFAULT_DEVICE
  const report: HostReport = {
    usable: false,
    ...hostFacts(),
    limits: {
      recommendedVcpus: 0,
      maxVcpus: 0,
      memorySlots: 0,
      openFiles: openFilesLimit(),
      freeHugePages: freeHugePages(),
    },
    capabilities: {},
  }
  try {
    using kvm = Kvm.open({ path })
    report.checks.push({ name: path, ok: true, required: true, detail: `opens, API version ${kvm.apiVersion}` })
    describe(kvm, report)
  } catch (error) {
    if (!(error instanceof KvmError)) throw error
    const [detail = '', ...fix] = error.message.split(': ')
    report.checks.push({ name: path, ok: false, required: true, detail, fix: fix.join(': ') })
  }
  report.usable = isUsable(report.checks)
  return report
}

function describe(kvm: Kvm, report: HostReport): void {
  for (const capability of CAPABILITIES) {
    const value = kvm.check(capability)
    if (value !== 0) report.capabilities[capability] = value
  }
  for (const { capability, what, required, only } of WANTED) {
    if (only !== undefined && only !== process.arch) continue
    const ok = report.capabilities[capability] !== undefined
    report.checks.push({ name: capability, ok, required, detail: what, ...(ok ? {} : { fix: OLD_KERNEL }) })
  }
  report.checks.push(createsVm(kvm))
  report.limits.recommendedVcpus = kvm.check('KVM_CAP_NR_VCPUS')
  report.limits.maxVcpus = kvm.check('KVM_CAP_MAX_VCPUS')
  report.limits.memorySlots = kvm.check('KVM_CAP_NR_MEMSLOTS')
}

/** A device that opens may still refuse to work. */
function createsVm(kvm: Kvm): HostCheck {
  const check = { name: 'virtual machine', required: true }
  try {
    using vm = kvm.createVm()
    using vcpu = vm.createVcpu(0)
    return { ...check, ok: true, detail: `created, with vCPU ${vcpu.id}` }
  } catch (error) {
    if (!(error instanceof KvmError)) throw error
    return { ...check, ok: false, detail: 'cannot be created', fix: error.message }
  }
}

function openFilesLimit(): number | undefined {
  const limit = /^Max open files\s+(\d+)/m.exec(readText('/proc/self/limits') ?? '')?.[1]
  return limit === undefined ? undefined : Number(limit)
}

function freeHugePages(): number | undefined {
  const pages = readText('/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages')
  return pages === undefined ? undefined : Number(pages)
}
