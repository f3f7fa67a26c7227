import { checkBoolean, checkInteger } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Execution } from '../execution.js'
import { kvm_interrupt, kvm_tpr_access_ctl, kvm_vapic_addr } from '../generated/common.js'
import { plain } from '../rows.js'

/** What reaches a vCPU from outside, without lines of an interrupt controller. */
export interface InterruptCalls {
  /** KVM_NMI: a non-maskable interrupt. */
  nmi(): void
  /** KVM_SMI: a system management interrupt, on hosts with KVM_CAP_X86_SMM. */
  smi(): void
  /**
   * KVM_INTERRUPT: an external interrupt, from an interrupt controller of one's own: without createIrqchip(), or with
   * KVM_CAP_SPLIT_IRQCHIP; there can be one at a time. With the latter it waits until the guest takes interrupts. Without, it
   * comes at the next entry: call it only when readyForInterrupt() says so.
   */
  interrupt(vector: number): void
  /** Whether the guest could take an interrupt() at the last exit (kvm_run's `ready_for_interrupt_injection`). */
  readyForInterrupt(): boolean
  /**
   * Whether the vCPU comes out with `irq-window-open` as soon as the guest can take an interrupt (kvm_run's
   * `request_interrupt_window`): for who has one for interrupt(), and the guest was not ready. Until it is switched off.
   */
  requestInterruptWindow(wanted: boolean): void
  /** KVM_TPR_ACCESS_REPORTING: whether accesses to the in-kernel local APIC's task priority register are `tpr-access` exits. */
  tprAccessReporting(enabled: boolean): void
  /** KVM_SET_VAPIC_ADDR: where in guest memory KVM keeps the task priority for a guest that was patched to read it there. */
  setVapicAddr(address: number): void
}

export const interruptCalls: Calls<InterruptCalls, Execution> = {
  nmi: plain('KVM_NMI'),
  smi: plain('KVM_SMI'),
  interrupt(vcpu, vector) {
    const irq = checkInteger('vector', vector, 0, 255)
    vcpu.change(() => {
      vcpu.fd.set('KVM_INTERRUPT', kvm_interrupt, { irq }, { vector })
    })
  },
  readyForInterrupt(vcpu) {
    vcpu.settle()
    return vcpu.page.number('ready_for_interrupt_injection') !== 0
  },
  requestInterruptWindow(vcpu, wanted) {
    const value = checkBoolean('wanted', wanted) ? 1 : 0
    vcpu.checkOutside()
    vcpu.page.set('request_interrupt_window', 'wanted', value)
  },
  tprAccessReporting(vcpu, enabled) {
    const bytes = kvm_tpr_access_ctl.bytes({ enabled: checkBoolean('enabled', enabled) ? 1 : 0 })
    vcpu.change(() => {
      vcpu.fd.ioctl('KVM_TPR_ACCESS_REPORTING', bytes, { enabled })
    })
  },
  setVapicAddr(vcpu, address) {
    const vapic_addr = BigInt(checkInteger('address', address, 0, Number.MAX_SAFE_INTEGER))
    vcpu.change(() => {
      vcpu.fd.set('KVM_SET_VAPIC_ADDR', kvm_vapic_addr, { vapic_addr }, { address })
    })
  },
}
