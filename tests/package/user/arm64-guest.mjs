import { Kvm } from 'node-kvm'
import { registerId } from 'node-kvm/arch/arm64'
import { KVM_ARM_VCPU_PSCI_0_2 } from 'node-kvm/uapi/arm64'

const RAM = 0x4000_0000
const UART = 0x0900_0000
/** movz xd, value. @param {number} register @param {number} value */
const mov = (register, value) => (0xd280_0000 | (value << 5) | register) >>> 0
/** movk xd, value, lsl 16. @param {number} register @param {number} value */
const movHigh = (register, value) => (0xf2a0_0000 | (value << 5) | register) >>> 0
/** strb w0, [x1] */
const STORE = 0x3900_0020
const HVC = 0xd400_0002
const PSCI_SYSTEM_OFF = 0x8400_0008

const code = [
  ...[mov(1, UART & 0xffff), movHigh(1, UART >>> 16)],
  ...[...Buffer.from('hello\n')].flatMap((letter) => [mov(0, letter), STORE]),
  ...[mov(0, PSCI_SYSTEM_OFF & 0xffff), movHigh(0, PSCI_SYSTEM_OFF >>> 16), HVC],
]

const kvm = Kvm.open()
const vm = kvm.createVm()
vm.addMemory({ at: RAM, size: 0x1_0000 }).write(RAM, new Uint8Array(Uint32Array.from(code).buffer))
const vcpu = vm.createVcpu(0)
const init = vm.armPreferredTarget()
init.features[0] = 1 << KVM_ARM_VCPU_PSCI_0_2
vcpu.armVcpuInit(init)
vcpu.setOneReg(registerId('pc'), BigInt(RAM))

for (let exit = vcpu.run(); exit.reason === 'mmio'; exit = vcpu.run()) process.stdout.write(exit.data)
vm.close()
kvm.close()
