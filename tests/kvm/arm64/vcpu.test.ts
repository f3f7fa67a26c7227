import { type Exit, Kvm } from 'node-kvm'
import { gicInterrupts, registerId } from 'node-kvm/arch/arm64'
import { KVM_DEV_TYPE_ARM_VGIC_V2, KVM_DEV_TYPE_ARM_VGIC_V3 } from 'node-kvm/uapi'
import { describe, expect, test } from 'vitest'
import { expectRefusal } from '../../thrown.js'
import { add, DEVICE, load, machine, mov, OFF, RAM, SPIN, store } from './machine.js'

const DEADLINE = 60_000

describe('running', () => {
  test('a vCPU that nobody has initialised is refused, and the message says what is missing', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    using vcpu = vm.createVcpu(0)
    const error = expectRefusal(() => vcpu.run(), 'ERR_KVM_IOCTL', /KVM_ARM_VCPU_INIT/)
    expect(error).toMatchObject({ ioctl: 'KVM_RUN' })
  })

  test('writes to a device, reads of it with the answer that they get, and the end', () => {
    using made = machine([mov(1, DEVICE >>> 16, 16), load(2, 1), add(2, 1), store(2, 1), ...OFF])
    const { vcpu } = made
    const seen: unknown[] = []
    for (;;) {
      const exit = vcpu.run({ deadline: performance.now() + DEADLINE })
      if (exit.reason !== 'mmio') {
        seen.push(exit.reason === 'system-event' ? exit.typeName : exit.reason)
        break
      }
      if (exit.isWrite) seen.push([exit.address, ...exit.data])
      else exit.data.set([41, 0, 0, 0])
    }
    expect(seen).toEqual([[DEVICE, 42, 0, 0, 0], 'shutdown'])
  })

  test('a deadline brings back a guest that never exits', () => {
    using made = machine([SPIN])
    expect(made.vcpu.run({ deadline: performance.now() + 50 })).toMatchObject({
      reason: 'interrupted',
      cause: 'deadline',
    })
    expect(made.vcpu.getOneReg(registerId('pc'))).toBe(BigInt(RAM))
  })

  test('a thread hands its exits to the event loop, and stops', async () => {
    using made = machine([mov(1, DEVICE >>> 16, 16), store(1, 1), ...OFF])
    const reasons: Exit['reason'][] = []
    await made.vcpu.start((exit) => {
      reasons.push(exit.reason)
      if (exit.reason === 'system-event') void made.vm.stop()
    })
    expect(reasons).toEqual(['mmio', 'system-event'])
  })
})

describe('registers', () => {
  test('are set and read one by one, of the core and of the system', () => {
    using made = machine([SPIN])
    for (const name of ['x0', 'x30', 'sp', 'pc', 'TPIDR_EL1', 'VBAR_EL1']) {
      made.vcpu.setOneReg(registerId(name), 0x4000_1000n)
      expect(made.vcpu.getOneReg(registerId(name)), name).toBe(0x4000_1000n)
    }
    const vector = Uint8Array.from({ length: 16 }, (_, index) => index)
    made.vcpu.setOneReg(registerId('v7'), vector)
    expect(made.vcpu.getOneReg(registerId('v7'))).toEqual(vector)
  })

  test('a guest goes on with those that were set', () => {
    using made = machine([store(3, 1), ...OFF])
    made.vcpu.setOneReg(registerId('x1'), BigInt(DEVICE))
    made.vcpu.setOneReg(registerId('x3'), 0x1234n)
    const exit = made.vcpu.run({ deadline: performance.now() + DEADLINE })
    expect(exit).toMatchObject({ reason: 'mmio', address: DEVICE, data: Uint8Array.of(0x34, 0x12, 0, 0) })
  })

  test('the list of them can be read, each of them', () => {
    using made = machine([SPIN])
    const list = made.vcpu.getRegList()
    expect(list).toContain(registerId('pc'))
    expect(new Set(list).size).toBe(list.length)
    for (const id of list) expect(() => made.vcpu.getOneReg(id)).not.toThrow()
  })

  test('one that there is not is refused with its id', () => {
    using made = machine([SPIN])
    const id = registerId('x0') | 0xffffn
    const error = expectRefusal(() => made.vcpu.getOneReg(id), 'ERR_KVM_IOCTL', /KVM_GET_ONE_REG failed with/)
    expect(error.operands).toMatchObject({ vcpu: 0, id })
  })
})

test('an SError that waits is read and set', () => {
  using made = machine([SPIN])
  // KVM says by it whether the processor has the RAS extension, and so a syndrome for an SError.
  const serror_has_esr: unknown = expect.toBeOneOf([0, 1])
  expect(made.vcpu.getVcpuEvents()).toEqual({
    exception: { serror_pending: 0, serror_has_esr, ext_dabt_pending: 0, serror_esr: 0n },
  })
  made.vcpu.setVcpuEvents({ exception: { serror_pending: 1 } })
  expect(made.vcpu.getVcpuEvents().exception.serror_pending).toBe(1)
  expectRefusal(() => made.vcpu.setVcpuEvents({ nmi: { pending: 1 } }), 'ERR_KVM_INVALID_ARGUMENT', /nmi/)
})

describe('interrupt controllers', () => {
  test('a host has at least one kind, and its attributes are checked by the kernel', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    const types = [KVM_DEV_TYPE_ARM_VGIC_V3, KVM_DEV_TYPE_ARM_VGIC_V2].filter((type) => vm.hasDevice(type))
    expect(types).not.toEqual([])
    using gic = vm.createDevice(types[0]!)
    const count = (value: number) => new Uint8Array(Uint32Array.of(value).buffer)
    gic.setDeviceAttr(gicInterrupts(), count(96))
    expect(gic.getDeviceAttr(gicInterrupts(), 4)).toEqual(count(96))
    expectRefusal(() => gic.setDeviceAttr(gicInterrupts(), count(33)), 'ERR_KVM_IOCTL', /KVM_SET_DEVICE_ATTR/)
    expect(gic.hasDeviceAttr({ group: 99, attr: 0n })).toBe(false)
  })
})

test("calls of x86 alone are refused, and say that they are another processor's", () => {
  using made = machine([SPIN])
  expectRefusal(() => made.vcpu.getSregs(), 'ERR_KVM_UNSUPPORTED', /getSregs\(\) does not exist on arm64/)
  expectRefusal(() => made.vm.createPit2(), 'ERR_KVM_UNSUPPORTED', /createPit2\(\) does not exist on arm64/)
})
