// Calls of arm64's VMs and vCPUs that kernels and processors have or lack: what is lacking is a typed refusal, and the VM lives on.
import { type KvmError, Kvm, type Vm } from 'node-kvm'
import { KVM_DEV_TYPE_ARM_VGIC_V2 } from 'node-kvm/uapi'
import { KVM_ARM_VCPU_SVE } from 'node-kvm/uapi/arm64'
import { expect, test } from 'vitest'
import { expectRefusal, NOT_UINT64S } from '../../thrown.js'
import { machine, SPIN } from './machine.js'

function withVm<T>(use: (vm: Vm) => T): T {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  return use(vm)
}

/** What a call returns, or its refusal, which must be the kernel's. */
function attempt(ioctl: string, call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_KVM_IOCTL', ioctl })
    return (error as KvmError).errno
  }
}

test('the masks of the feature id registers', () => {
  withVm((vm) => {
    const masks = attempt('KVM_ARM_GET_REG_WRITABLE_MASKS', () => vm.armGetRegWritableMasks())
    if (Array.isArray(masks)) expect(masks).toHaveLength(192)
    expect(vm.check('KVM_CAP_ARM_SUPPORTED_REG_MASK_RANGES') > 0).toBe(Array.isArray(masks))
  })
})

test('the counter offset', () => {
  withVm((vm) => {
    const result = attempt('KVM_ARM_SET_COUNTER_OFFSET', () => vm.armSetCounterOffset(1000n))
    expect(vm.check('KVM_CAP_COUNTER_OFFSET') > 0).toBe(result === undefined)
    for (const value of NOT_UINT64S) {
      expectRefusal(() => vm.armSetCounterOffset(value as never), 'ERR_KVM_INVALID_ARGUMENT', /offset/)
    }
  })
})

test('memory tags', () => {
  using made = machine([SPIN])
  const { vm } = made
  const tags = new Uint8Array(256)
  const [region] = vm.memory.regions
  const address = BigInt(region?.at ?? 0)
  attempt('KVM_ARM_MTE_COPY_TAGS', () => vm.armMteCopyTags({ address, tags }))
  attempt('KVM_ARM_MTE_COPY_TAGS', () => vm.armMteCopyTags({ address, tags, write: true }))
  attempt('KVM_ARM_MTE_COPY_TAGS', () => vm.armMteCopyTags({ address: 3n, tags: new Uint8Array(1) }))
  expectRefusal(() => vm.armMteCopyTags({ address, tags: [] as never }), 'ERR_KVM_INVALID_ARGUMENT', /tags/)
})

test('the address of a device that is not there', () => {
  withVm((vm) => {
    const error = expectRefusal(() => vm.armSetDeviceAddr(0n, 0x800_0000n), 'ERR_KVM_IOCTL')
    expect(error).toMatchObject({ ioctl: 'KVM_ARM_SET_DEVICE_ADDR', operands: { id: 0n, address: 0x800_0000n } })
  })
})

// KVM_ARM_DEVICE_VGIC_V2, with KVM_VGIC_V2_ADDR_TYPE_DIST and _CPU.
test('the addresses of a GICv2', () => {
  withVm((vm) => {
    if (!vm.hasDevice(KVM_DEV_TYPE_ARM_VGIC_V2)) {
      expectRefusal(() => vm.createIrqchip(), 'ERR_KVM_IOCTL', /KVM_CREATE_IRQCHIP/)
      return
    }
    vm.createIrqchip()
    vm.armSetDeviceAddr(0n, 0x800_0000n)
    vm.armSetDeviceAddr(1n, 0x801_0000n)
    const error = expectRefusal(() => vm.armSetDeviceAddr(0n, 0x900_0000n), 'ERR_KVM_IOCTL')
    expect(error).toMatchObject({ ioctl: 'KVM_ARM_SET_DEVICE_ADDR', operands: { id: 0n } })
  })
})

test('a feature that was not asked for cannot be finalized', () => {
  using made = machine([SPIN])
  const error = expectRefusal(() => made.vcpu.armVcpuFinalize(KVM_ARM_VCPU_SVE), 'ERR_KVM_IOCTL')
  expect(error).toMatchObject({ ioctl: 'KVM_ARM_VCPU_FINALIZE', operands: { vcpu: 0, feature: KVM_ARM_VCPU_SVE } })
  expect(made.vcpu.run({ deadline: performance.now() + 50 })).toMatchObject({ reason: 'interrupted' })
})

test('what only x86_64 has says so', () => {
  using made = machine([SPIN])
  for (const call of [() => made.vcpu.getRegs(), () => made.vm.createPit2(), () => made.vcpu.getSregs2()]) {
    expectRefusal(call, 'ERR_KVM_UNSUPPORTED', /arm64/)
  }
})
