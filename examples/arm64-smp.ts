// Lesson 32, arm64-smp: one CPU of arm64 switches another one on, by a call of the firmware
import { readFileSync } from 'node:fs'
import { describeExit, type Exit, Kvm } from 'node-kvm'
import { registerId } from 'node-kvm/arch/arm64'
import { KVM_ARM_VCPU_POWER_OFF, KVM_ARM_VCPU_PSCI_0_2 } from 'node-kvm/uapi/arm64'

const RAM = 0x4000_0000
const UART = 0x0900_0000 // guests/shared/arm64.s

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: RAM, size: 0x1_0000 }).write(RAM, readFileSync(new URL('guests/arm64-smp.bin', import.meta.url)))

// Both are the same, but the second one begins switched off. Its thread sleeps in the kernel until the first one calls CPU_ON;
// the kernel then sets its registers, so nothing is left to do here.
const features = [1 << KVM_ARM_VCPU_PSCI_0_2, (1 << KVM_ARM_VCPU_PSCI_0_2) | (1 << KVM_ARM_VCPU_POWER_OFF)]
const vcpus = features.map((bits, id) => {
  const vcpu = vm.createVcpu(id)
  const init = vm.armPreferredTarget()
  init.features[0] = bits
  vcpu.armVcpuInit(init)
  return vcpu
})
vcpus[0]?.setOneReg(registerId('pc'), BigInt(RAM))

// Every exit of both comes here, one at a time. CPU_OFF is none: the kernel puts the CPU to sleep again.
function handle(exit: Exit): void {
  if (exit.reason === 'mmio' && exit.isWrite && exit.address === UART) process.stdout.write(exit.data)
  else if (exit.reason === 'system-event' && exit.typeName === 'shutdown') void vm.stop()
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}

await Promise.all(vcpus.map((vcpu) => vcpu.start(handle)))
