import { CpuidTable, XsaveArea } from 'node-kvm/arch/x86'
import { expect, test } from 'vitest'

import { assemble, HLT } from './guests.js'
import { machine } from './machine.js'

test('an area of a vCPU: what is set by register is what the kernel has', () => {
  using m = machine(assemble(HLT), { cpuid: true })
  const bytes = m.vcpu.getXsave()
  const area = new XsaveArea(bytes, new CpuidTable(m.kvm.getSupportedCpuid()))
  expect(area.components().slice(0, 2)).toEqual(['x87', 'SSE'])
  expect(area.x87.fcw).toBe(m.vcpu.getFpu().fcw)
  const value = Uint8Array.from({ length: 16 }, (_, index) => index + 1)
  area.setXmm(15, value)
  area.setX87({ fcw: 0x27f })
  m.vcpu.setXsave(bytes)
  const { xmm, fcw } = m.vcpu.getFpu()
  expect([xmm.subarray(240), fcw]).toEqual([value, 0x27f])
})
