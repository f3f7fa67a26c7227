import { readFileSync } from 'node:fs'
import { Kvm, probeHost } from 'node-kvm'
import { expect, test } from 'vitest'

// The kinds of host that run the test suite, and the module that makes each the real thing.
const kinds: Record<string, { module: string; pagingParameter: string }> = {
  amd: { module: 'kvm_amd', pagingParameter: 'npt' },
}
const kind = kinds[process.env['NODE_KVM_LAB'] ?? '']!

test("the host's KVM is the hardware's, with nested paging", () => {
  expect(readFileSync(`/sys/module/${kind.module}/parameters/${kind.pagingParameter}`, 'utf8')).toMatch(/^[Y1]/)
})

test('the library recognises it and opens it', () => {
  expect(JSON.stringify(probeHost())).toContain('amd')
  using kvm = Kvm.open()
  expect(kvm.apiVersion).toBe(12)
})
