import { Kvm } from 'node-kvm'
import { CpuidTable } from 'node-kvm/arch/x86'
import { expect, test } from 'vitest'

import { assemble, CPUID, HLT, movEax } from './guests.js'
import { machine, runTo } from './machine.js'

test('the CPUID of this host becomes a table, and what KVM takes', () => {
  using m = machine(assemble(HLT))
  const supported = m.kvm.getSupportedCpuid()
  const table = new CpuidTable(supported)
  expect(table.entries()).toEqual(supported)
  expect(table.vendor).toMatch(/^\w{12}$/)
  expect(table.features()).toEqual(expect.arrayContaining(['fpu', 'tsc', 'msr', 'cx8', 'cmov', 'fxsr']))
  expect(table.hypervisor?.signature).toBe('KVMKVMKVM')
  expect(table.intersect(table).entries().length).toBeGreaterThan(10)
  m.vcpu.setCpuid2(table.entries())
  expect(new CpuidTable(m.vcpu.getCpuid2()).vendor).toBe(table.vendor)
})

// Not by features of leaf 1: kvm_pvm gives a guest its host's, whatever is set.
test('the guest sees its place, its hypervisor, and not what is hidden', () => {
  const seen = (leaf: number) => {
    using m = machine(assemble(movEax(leaf), CPUID, HLT))
    const table = new CpuidTable(m.kvm.getSupportedCpuid()).set(0x8000_0007, 0, { edx: 0 }).show('invtsc', 'cpb')
    const place = { apicId: 2, cores: 4 }
    m.vcpu.setCpuid2(table.hide('invtsc').withHypervisor("of one's own").topology(place).entries())
    runTo(m.vcpu, 'hlt')
    return m.vcpu.getRegs()
  }
  expect(seen(1).rbx >> 16n).toBe(0x0204n)
  expect(seen(0x8000_0007).rdx & 0x300n).toBe(0x200n)
  const { rbx, rcx, rdx } = seen(0x4000_0000)
  expect(Buffer.from(Uint32Array.of(Number(rbx), Number(rcx), Number(rdx)).buffer).toString()).toBe("of one's own")
})

test('the most entries that a table has are the most that KVM takes', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  const list = Array.from({ length: 256 }, (_, index) => ({ function: index, index: 0, flags: 0 }))
  const table = new CpuidTable(list.map((entry) => ({ ...entry, eax: 0, ebx: 0, ecx: 0, edx: 0 })))
  const vcpu = vm.createVcpu(0)
  vcpu.setCpuid2(table.entries())
  const [first] = table.entries()
  expect(() => vcpu.setCpuid2([...table.entries(), first!])).toThrow(/takes no list that long/)
})
