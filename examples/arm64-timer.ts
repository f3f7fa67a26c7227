// Lesson 33, arm64-timer: the CPU's own timer interrupts it through the kernel's GICv3, a device with attributes
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'
import { gicAddress, gicControl, registerId } from 'node-kvm/arch/arm64'
import { KVM_DEV_TYPE_ARM_VGIC_V3 } from 'node-kvm/uapi'
import { KVM_ARM_VCPU_PSCI_0_2 } from 'node-kvm/uapi/arm64'

const RAM = 0x4000_0000
const UART = 0x0900_0000 // guests/shared/arm64.s
const GIC_DISTRIBUTOR = 0x0800_0000n
const GIC_REDISTRIBUTOR = 0x080a_0000n
const PATIENCE = 60_000
/** The status of an example that this host cannot run. */
const LACKING = 77

/** An attribute's value of 64 bits. */
const uint64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer)

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: RAM, size: 0x1_0000 }).write(RAM, readFileSync(new URL('guests/arm64-timer.bin', import.meta.url)))

// x86 has one kind of interrupt controller; here it is a device among others, and a descriptor. Hosts with an old GICv2 cannot have a GICv3.
if (!vm.hasDevice(KVM_DEV_TYPE_ARM_VGIC_V3)) {
  console.error("this host's KVM has no GICv3 for its guests")
  process.exit(LACKING)
}
using gic = vm.createDevice(KVM_DEV_TYPE_ARM_VGIC_V3)

using vcpu = vm.createVcpu(0)
const init = vm.armPreferredTarget()
init.features[0] = 1 << KVM_ARM_VCPU_PSCI_0_2
vcpu.armVcpuInit(init)
vcpu.setOneReg(registerId('pc'), BigInt(RAM))

// All that is to be said of it is said by attributes: where its parts are, and at last, with every vCPU there, that it is complete.
gic.setDeviceAttr(gicAddress('V3_DIST'), uint64(GIC_DISTRIBUTOR))
gic.setDeviceAttr(gicAddress('V3_REDIST'), uint64(GIC_REDISTRIBUTOR))
gic.setDeviceAttr(gicControl('INIT'))

// A vCPU that waits for an interrupt stays in the kernel, and so does this thread, but for the deadline.
const start = performance.now()
for (let off = false; !off;) {
  const exit = vcpu.run({ deadline: start + PATIENCE })
  if (exit.reason === 'interrupted') throw new Error('the timer does not tick')
  if (exit.reason === 'mmio' && exit.isWrite && exit.address === UART) process.stdout.write(exit.data)
  else if (exit.reason === 'system-event' && exit.typeName === 'shutdown') off = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}
