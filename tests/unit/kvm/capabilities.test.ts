import { CAPABILITIES, type CapabilityName } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { arm64 } from '../../../lib/kvm/capabilities/arm64.js'
import { common } from '../../../lib/kvm/capabilities/common.js'
import { elsewhere } from '../../../lib/kvm/capabilities/elsewhere.js'
import { reportCapabilities } from '../../../lib/kvm/capabilities/report.js'
import { CAPABILITY_INFO } from '../../../lib/kvm/capabilities/table.js'
import { x86 } from '../../../lib/kvm/capabilities/x86.js'
import * as uapiCommon from '../../../lib/kvm/generated/common.js'
import * as uapiX86 from '../../../lib/kvm/generated/x86.js'

describe('the table of capabilities', () => {
  test('has each of the kernel’s once, and no other', () => {
    const names = [common, x86, arm64, elsewhere].flatMap((rows) => Object.keys(rows))
    expect([...names].sort()).toEqual([...CAPABILITIES].sort())
  })

  test('says of each in a sentence what it is, no two the same', () => {
    const sentences = Object.values(CAPABILITY_INFO).map(({ about }) => about)
    for (const about of sentences) expect(about).toMatch(/^(vCPUs|kvmclock|[A-Z]).*[^.]\.$/)
    expect(new Set(sentences).size).toBe(sentences.length)
  })

  test('a capability named for an architecture is that one’s', () => {
    for (const [name, { architectures }] of Object.entries(CAPABILITY_INFO)) {
      const [, prefix] = /^KVM_CAP_(X86|ARM|S390|PPC|MIPS|RISCV)_/.exec(name) ?? []
      const named = prefix?.toLowerCase().replace(/^arm$/, 'arm64')
      if (named !== undefined) expect([name, architectures]).toEqual([name, [named]])
    }
  })

  test('names bits as the headers do, where they are', () => {
    const uapi: Record<string, unknown> = { ...uapiCommon, ...uapiX86 }
    let known = 0
    for (const { bits = {} } of Object.values(CAPABILITY_INFO)) {
      for (const [name, bit] of Object.entries(bits)) {
        const number = uapi[name]
        if (number === undefined) continue
        known++
        // Types of VM are numbered; all others are masks.
        expect([name, number]).toEqual([name, name.endsWith('_VM') ? bit : 2 ** bit])
      }
    }
    expect(known).toBeGreaterThan(40)
  })
})

test('a report has the value, and of a mask the names of the bits that are set', () => {
  const report = reportCapabilities(
    new Map<CapabilityName, number>([
      ['KVM_CAP_IRQCHIP', 1],
      ['KVM_CAP_X86_DISABLE_EXITS', 0x8000_0006 | 0],
      ['KVM_CAP_VM_TYPES', 0],
    ]),
  )
  expect(report).toMatchObject([
    { name: 'KVM_CAP_IRQCHIP', value: 1, kind: 'flag' },
    {
      kind: 'mask',
      set: ['KVM_X86_DISABLE_EXITS_HLT', 'KVM_X86_DISABLE_EXITS_PAUSE', 'bit 31'],
      architectures: ['x86'],
    },
    { kind: 'mask', value: 0, set: [] },
  ])
  expect(report[0]).not.toHaveProperty('set')
})
