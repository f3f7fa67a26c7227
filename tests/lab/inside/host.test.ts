import { readFileSync } from 'node:fs'
import { Kvm, probeHost } from 'node-kvm'
import { expect, test } from 'vitest'

/** The kinds of host that run the test suite: what the library must see in each, and what shows that the hardware does the paging. */
const kinds: Record<string, { processor: RegExp; pagingParameter?: string }> = {
  amd: { processor: /^AMD-V, nested/, pagingParameter: '/sys/module/kvm_amd/parameters/npt' },
  arm64: { processor: /^arm64, n?VHE, GICv[23]$/ }, // which has no KVM without
}
const name = process.env['NODE_KVM_LAB'] ?? ''
const kind = kinds[name]!

test.runIf(kind.pagingParameter)("the host's KVM is the hardware's, with nested paging", () => {
  expect(readFileSync(kind.pagingParameter!, 'utf8')).toMatch(/^[Y1]/)
})

test('the library recognises it and opens it', () => {
  const { kind: seen, usable, checks } = probeHost()
  expect({ seen, usable }).toEqual({ seen: name, usable: true })
  expect(checks.find(({ name }) => name === 'processor')?.detail).toMatch(kind.processor)
  using kvm = Kvm.open()
  expect(kvm.apiVersion).toBe(12)
})
