// Lesson 31, arm64-hello: a guest of arm64 prints a greeting through a device, and switches itself off
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'
import { registerId } from 'node-kvm/arch/arm64'
import { KVM_ARM_VCPU_PSCI_0_2 } from 'node-kvm/uapi/arm64'

const RAM = 0x4000_0000 // arm64 machines have devices at the bottom, and memory from 1 GiB on
const UART = 0x0900_0000 // guests/shared/arm64.s

using kvm = Kvm.open()
using vm = kvm.createVm()
const guest = readFileSync(new URL('guests/arm64-hello.bin', import.meta.url))
vm.addMemory({ at: RAM, size: 0x1_0000 }).write(RAM, guest)

// What a vCPU is has to be said first: the kind that suits this host, with firmware in the kernel that the guest can call (PSCI).
using vcpu = vm.createVcpu(0)
const init = vm.armPreferredTarget()
init.features[0] = 1 << KVM_ARM_VCPU_PSCI_0_2
vcpu.armVcpuInit(init)
// Now it is a CPU after a reset. There is a call for each single register, which has a number of 64 bits for a name.
vcpu.setOneReg(registerId('pc'), BigInt(RAM))

for (let off = false; !off;) {
  const exit = vcpu.run()
  if (exit.reason === 'mmio' && exit.isWrite && exit.address === UART) process.stdout.write(exit.data)
  else if (exit.reason === 'system-event' && exit.typeName === 'shutdown') off = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}
