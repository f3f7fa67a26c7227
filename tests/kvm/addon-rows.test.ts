// The addon's own table of calls holds without TypeScript's checks: an address or a descriptor of the host that JavaScript has
// made up never reaches the kernel.
import { constants } from 'node:os'
import { expect, test } from 'vitest'

import { binding, type NativeFd } from '../../lib/kvm/binding.js'
import * as x86 from '../../lib/kvm/generated/x86.js'

const { ENOTTY, EBADF } = constants.errno

const row = (name: string) => binding.ioctlRow(name) as number

/** A VM and a vCPU as the addon has them. */
function descriptors() {
  const create = (from: NativeFd, name: string) => {
    const fd = from.create(row(name), 0)
    if (typeof fd === 'number') throw new Error(`${name} failed with ${-fd}`)
    return fd
  }
  const system = binding.openKvm('/dev/kvm')
  const vm = create(system, 'KVM_CREATE_VM')
  const vcpu = create(vm, 'KVM_CREATE_VCPU')
  return {
    vm,
    vcpu,
    [Symbol.dispose]() {
      for (const fd of [vcpu, vm, system]) fd.close()
    },
  }
}

const HOST = /an address or a descriptor of the host/

test('Xen: a page of hypercalls, attributes by host address, and an event channel to a descriptor', () => {
  using fds = descriptors()
  const config = { msr: 0x4000_0000, flags: 0 }
  for (const blob of [{ blob_addr_32: 1n }, { blob_addr_64: 1n }, { blob_size_32: 1 }, { blob_size_64: 1 }]) {
    const bytes = x86.kvm_xen_hvm_config.bytes({ ...config, ...blob })
    expect(() => fds.vm.ioctl(row('KVM_XEN_HVM_CONFIG'), bytes)).toThrow(HOST)
  }
  const port = (number: number, flags = 0) => ({ flags, deliver: { port: { port: number } } })
  const setAttr = (type: number, evtchn = port(0)) => {
    return fds.vm.ioctl(row('KVM_XEN_HVM_SET_ATTR'), x86.kvm_xen_hvm_attr.bytes({ type, u: { evtchn } }))
  }
  for (const type of [x86.KVM_XEN_ATTR_TYPE_SHARED_INFO_HVA, 7, 0xffff]) expect(() => setAttr(type)).toThrow(HOST)
  expect(() => setAttr(x86.KVM_XEN_ATTR_TYPE_EVTCHN)).toThrow(HOST)
  setAttr(x86.KVM_XEN_ATTR_TYPE_EVTCHN, port(1))
  setAttr(x86.KVM_XEN_ATTR_TYPE_EVTCHN, port(0, x86.KVM_XEN_EVTCHN_DEASSIGN))
  for (const type of [x86.KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO_HVA, 10, 0xffff]) {
    const bytes = x86.kvm_xen_vcpu_attr.bytes({ type })
    expect(() => fds.vcpu.ioctl(row('KVM_XEN_VCPU_SET_ATTR'), bytes)).toThrow(HOST)
  }
})

test('SEV: the commands whose structs hold addresses, and room for what any command writes', () => {
  using fds = descriptors()
  const command = (id: number, room?: Uint8Array) =>
    fds.vm.ioctl(row('KVM_MEMORY_ENCRYPT_OP'), x86.kvm_sev_cmd.bytes({ id }), room)
  const room = new Uint8Array(16384)
  for (const id of [x86.KVM_SEV_LAUNCH_START, x86.KVM_SEV_DBG_DECRYPT, x86.KVM_SEV_SNP_LAUNCH_UPDATE, 1000]) {
    expect(() => command(id, room)).toThrow(HOST)
  }
  expect(() => command(x86.KVM_SEV_GUEST_STATUS, new Uint8Array(4096))).toThrow(/too short/)
  expect(command(x86.KVM_SEV_GUEST_STATUS, room)).toBeLessThan(0)
})

test('Hyper-V: without an eventfd there is none, whatever the struct says', () => {
  using fds = descriptors()
  const bytes = x86.kvm_hyperv_eventfd.bytes({ conn_id: 1, fd: 1 })
  // With the struct's own descriptor, which is no eventfd, it would be EINVAL.
  expect([-EBADF, -ENOTTY]).toContain(fds.vm.ioctl(row('KVM_HYPERV_EVENTFD'), bytes))
  expect(x86.kvm_hyperv_eventfd.decode(new DataView(bytes.buffer)).fd).toBe(0)
})

test('nested state that is shorter than what the kernel reads in any case', () => {
  using fds = descriptors()
  const { size } = x86.kvm_nested_state
  for (const length of [12, size - 1]) {
    const bytes = new Uint8Array(length)
    new DataView(bytes.buffer).setUint32(4, length, true)
    for (const name of ['KVM_SET_NESTED_STATE', 'KVM_GET_NESTED_STATE']) {
      expect(() => fds.vcpu.ioctl(row(name), bytes)).toThrow(/wrong length/)
    }
  }
})
