import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

import { MSR, msrName } from 'node-kvm/arch/x86'

test('a number and its name lead to each other, and no two names to the same number', () => {
  for (const [name, index] of Object.entries(MSR)) expect([msrName(index), index]).toEqual([name, index])
})

test('registers that come in numbers have their number in the name', () => {
  const named = [0x200, 0x213, 0x214, 0x400, 0x405, 0x40b, 0x817, 0x4000_009f, 0x4000_00b3, 0xc001_0203].map(msrName)
  expect(named).toEqual([
    ...['IA32_MTRR_PHYSBASE0', 'IA32_MTRR_PHYSMASK9', undefined, 'IA32_MC0_CTL', 'IA32_MC1_STATUS', 'IA32_MC2_MISC'],
    ...['IA32_X2APIC_ISR7', 'HV_X64_MSR_SINT15', 'HV_X64_MSR_STIMER1_COUNT', 'PERF_CTR1'],
  ])
  expect([msrName(0x1234_5678), msrName(-1), msrName(NaN)]).toEqual([undefined, undefined, undefined])
})

test("KVM's are those of <asm/kvm_para.h>", () => {
  const header = readFileSync('/usr/include/x86_64-linux-gnu/asm/kvm_para.h', 'utf8')
  const defined = Object.fromEntries(
    [...header.matchAll(/^#define (MSR_KVM_\w+)\s+(0x\w+)$/gm)].map(([, name = '', index]) => [name, Number(index)]),
  )
  expect(Object.keys(defined).length).toBeGreaterThan(10)
  expect(MSR).toMatchObject(defined)
})
