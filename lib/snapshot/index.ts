/**
 * What KVM knows of a VM and its vCPUs as plain data, to be kept and to be given to another VM: of this process, or of another
 * one, on this host or on another.
 *
 * @packageDocumentation
 */
export type { Saved } from './saved.js'
export type { SavedMsr } from './x86/msrs.js'
export type { SavedXcr } from './x86/xsave.js'
export { restoreVcpu, saveVcpu, type X86VcpuState } from './x86/vcpu.js'
export { restoreVm, saveVm, type X86VmState } from './x86/vm.js'
