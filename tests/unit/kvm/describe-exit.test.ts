import { describeExit } from 'node-kvm'
import { expect, test } from 'vitest'

test('an MSR has its name beside its number, and one without a name its number', () => {
  const write = { reason: 'x86-wrmsr', index: 0xc000_0080, msrReason: 4, data: 0x500n, error: 0 } as const
  expect(describeExit(write)).toBe('x86-wrmsr index 0xc0000080 (IA32_EFER) msrReason 4 data 0x500 error 0')
  const read = { reason: 'x86-rdmsr', index: 0x1234, msrReason: 1, data: 0n, error: 0 } as const
  expect(describeExit(read)).toBe('x86-rdmsr index 0x1234 msrReason 1 data 0x0 error 0')
})
