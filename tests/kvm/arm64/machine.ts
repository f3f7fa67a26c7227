// A guest of arm64 as machine code: instructions are words, and there is one for each function here.
import { Kvm, type Vcpu, type Vm } from 'node-kvm'
import { registerId } from 'node-kvm/arch/arm64'
import { KVM_ARM_VCPU_PSCI_0_2 } from 'node-kvm/uapi/arm64'

/** Where memory begins, and the code; there is none at {@link DEVICE}. */
export const RAM = 0x4000_0000
export const SIZE = 0x1_0000
export const DEVICE = 0x0900_0000

/** movz xd, value, lsl shift */
export const mov = (register: number, value: number, shift: 0 | 16 = 0) =>
  (0xd280_0000 | ((shift / 16) << 21) | (value << 5) | register) >>> 0
/** movk wd, value, lsl 16 */
export const movHigh = (register: number, value: number) => (0x72a0_0000 | (value << 5) | register) >>> 0
/** str wt, [xn] and ldr wt, [xn] */
export const store = (register: number, base: number) => (0xb900_0000 | (base << 5) | register) >>> 0
export const load = (register: number, base: number) => (0xb940_0000 | (base << 5) | register) >>> 0
/** add xd, xd, value */
export const add = (register: number, value: number) => (0x9100_0000 | (value << 10) | (register << 5) | register) >>> 0
/** b to itself: a guest that never exits. */
export const SPIN = 0x1400_0000
export const HVC = 0xd400_0002
/** PSCI's SYSTEM_OFF. */
export const OFF = [mov(0, 0x0008), movHigh(0, 0x8400), HVC]

export interface Machine extends Disposable {
  kvm: Kvm
  vm: Vm
  vcpu: Vcpu
}

/** A VM with memory at {@link RAM} and one vCPU, about to execute `code`. */
export function machine(code: readonly number[]): Machine {
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  vm.addMemory({ at: RAM, size: SIZE }).write(RAM, new Uint8Array(Uint32Array.from(code).buffer))
  const vcpu = vm.createVcpu(0)
  const init = vm.armPreferredTarget()
  init.features[0] = 1 << KVM_ARM_VCPU_PSCI_0_2
  vcpu.armVcpuInit(init)
  vcpu.setOneReg(registerId('pc'), BigInt(RAM))
  return {
    kvm,
    vm,
    vcpu,
    [Symbol.dispose]() {
      vm.close()
      kvm.close()
    },
  }
}
