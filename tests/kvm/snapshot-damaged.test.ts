import { KvmError } from 'node-kvm'
import fc from 'fast-check'
import { restoreVm, saveVm, type X86VmState } from 'node-kvm/snapshot'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { fuzzRuns } from '../unit/fuzz-runs.js'
import { AMOUNTS } from './amounts.js'
import { assemble, HLT, SPIN } from './guests.js'
import { longModeMachine, machine, type MachineOptions } from './machine.js'
import { throughJson, withoutTime } from './saved-vms.js'

const OPTIONS: MachineOptions = { irqchip: true, pit: true, cpuid: true }

type Path = readonly (string | number)[]
type Node = Record<string | number, unknown>

/** The way to every member, at any depth, but to no more than the first two of a long array. */
function* paths(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path
  if (typeof value !== 'object' || value === null) return
  const members = Array.isArray(value) ? [...value.keys()].slice(0, 2) : Object.keys(value)
  for (const name of members) yield* paths((value as Node)[name], [...path, name])
}

/** Where the member lies, and its name there. */
function place(state: X86VmState, path: Path): [Node, string | number] {
  const [last, ...way] = [...path].reverse()
  const node = way.reverse().reduce<Node>((within, name) => within[name] as Node, state as unknown as Node)
  return [node, last as string | number]
}

const OPTIONAL = new Set(['lapic', 'irqchips', 'pit'])

describe('a state with one member damaged is refused, and the VM stays as it was', () => {
  test('the member is gone', () => {
    using m = machine(assemble(HLT), OPTIONS)
    const before = withoutTime(saveVm(m.kvm, m.vm))
    const state = throughJson(saveVm(m.kvm, m.vm))
    for (const path of paths(state)) {
      const damaged = structuredClone(state)
      const [node, name] = place(damaged, path)
      // A shorter list of what may be any number is a list.
      if (Array.isArray(node) || OPTIONAL.has(String(name))) continue
      Reflect.deleteProperty(node, name)
      expectRefusal(() => restoreVm(m.vm, damaged), 'ERR_KVM_INVALID_STATE')
    }
    expect(withoutTime(saveVm(m.kvm, m.vm))).toEqual(before)
  })

  const wrong: [string, (value: unknown) => unknown][] = [
    ['of another type', (value) => (typeof value === 'object' ? 7 : typeof value === 'number' ? '7' : 7)],
    ['null', () => null],
    ['an object or an array where there was none', (value) => (Array.isArray(value) ? {} : [])],
    ['out of range', (value) => (typeof value === 'number' ? 2 ** 40 : `0x1${'0'.repeat(16)}`)],
  ]
  test.each(wrong)('the member is %s', (_, damage) => {
    using m = machine(assemble(HLT), OPTIONS)
    const state = throughJson(saveVm(m.kvm, m.vm))
    const before = withoutTime(saveVm(m.kvm, m.vm))
    for (const path of paths(state)) {
      // An MSI may go to an address of that size.
      if (path.at(-1) === 'address') continue
      const damaged = structuredClone(state)
      const [node, name] = place(damaged, path)
      node[name] = damage(node[name])
      const { operands } = expectRefusal(() => restoreVm(m.vm, damaged), 'ERR_KVM_INVALID_STATE')
      expect(typeof operands['member']).toBe('string')
    }
    expect(withoutTime(saveVm(m.kvm, m.vm))).toEqual(before)
  })

  test('another version, another architecture, another vCPU, one vCPU more', () => {
    using m = machine(assemble(HLT), OPTIONS)
    const state = saveVm(m.kvm, m.vm)
    const [vcpu] = state.vcpus as [X86VmState['vcpus'][number]]
    const others: [object, RegExp][] = [
      [{ version: 2 }, /version 2, and this library reads version 1/],
      [{ architecture: 'aarch64' }, /architecture must be one of x86_64/],
      [{ vcpus: [{ ...vcpu, id: 1 }] }, /vCPU 0 is wrong: id/],
      [{ vcpus: [{ ...vcpu, version: 0 }] }, /vCPU 0 has version 0/],
      [{ vcpus: [vcpu, { ...vcpu, id: 1 }] }, /vcpus must be an array of 1/],
      [{ vcpus: [] }, /vcpus must be an array of 1/],
    ]
    for (const [change, message] of others) {
      expectRefusal(() => restoreVm(m.vm, { ...state, ...change }), 'ERR_KVM_INVALID_STATE', message)
    }
  })
})

describe('what this host does not take over is named', () => {
  const refused: [string, RegExp, (state: X86VmState) => void, object][] = [
    [
      'MSRs',
      /MSR 0x12345/,
      ({ vcpus: [vcpu] }) => vcpu?.msrs.push({ index: 0x12345, value: '0x1' }),
      { index: 0x12345 },
    ],
    ['special registers', /KVM_SET_SREGS2/, ({ vcpus: [vcpu] }) => vcpu && (vcpu.sregs.cr0 = '0x80000000'), {}],
    ['XSAVE area', /components beyond/, ({ vcpus: [vcpu] }) => vcpu && (vcpu.xsave = vcpu.xsave + '01'.repeat(64)), {}],
    [
      'extended control registers',
      /KVM_SET_XCRS/,
      ({ vcpus: [vcpu] }) => vcpu && (vcpu.xcrs = [{ xcr: 0, value: '0x0' }]),
      {},
    ],
    ['debug registers', /KVM_SET_DEBUGREGS/, ({ vcpus: [vcpu] }) => vcpu && (vcpu.debugregs.flags = '0x1'), {}],
    [
      'GSI routes',
      /no such pin/,
      (s) => s.gsiRoutes.push({ gsi: 50, type: 'irqchip', irqchip: 'ioapic', pin: 24 }),
      {},
    ],
  ]
  test.each(refused)('%s', (component, message, change, operands) => {
    using m = machine(assemble(HLT), OPTIONS)
    const state = throughJson(saveVm(m.kvm, m.vm))
    change(state)
    const error = expectRefusal(() => restoreVm(m.vm, state), 'ERR_KVM_SNAPSHOT', message)
    expect(error.operands).toMatchObject({ component, ...operands })
  })

  test('a controller that the VM does not have', () => {
    using m = machine(assemble(HLT), OPTIONS)
    using other = machine(assemble(HLT), { cpuid: true })
    const error = expectRefusal(() => restoreVm(other.vm, saveVm(m.kvm, m.vm)), 'ERR_KVM_SNAPSHOT')
    expect(error.operands['component']).toBe('local APIC')
  })
})

test('a state made of any values that fit is refused or harmless: the guest runs into something, and the process goes on', () => {
  using source = longModeMachine(assemble(SPIN), OPTIONS)
  const state = throughJson(saveVm(source.kvm, source.vm))
  const all = [...paths(state)].filter((path) => {
    const [node, name] = place(state, path)
    return typeof node[name] !== 'object' && !['version', 'id', 'architecture'].includes(String(name))
  })
  const anything = fc.oneof(
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => `0x${value.toString(16)}`),
    fc.nat(0xff),
    fc.nat(0xffff_ffff),
    fc.constantFrom('halted', 'init-received', 'sipi-received', 'uninitialized', 'ap-reset-hold'),
  )
  const mutations = fc.array(fc.tuple(fc.nat(all.length - 1), anything), { minLength: 1, maxLength: 8 })
  const outcomes = new Map<string, number>()
  fc.assert(
    fc.property(mutations, (changes) => {
      const damaged = structuredClone(state)
      for (const [at, value] of changes) {
        const [node, name] = place(damaged, all[at] as Path)
        if (typeof value === typeof node[name]) node[name] = value
      }
      using m = longModeMachine(assemble(SPIN), OPTIONS)
      let outcome = 'restored'
      try {
        restoreVm(m.vm, damaged)
        m.vcpu.run({ deadline: performance.now() + 1 })
      } catch (error) {
        if (!(error instanceof KvmError)) throw error
        outcome = error.code
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }),
    fuzzRuns(AMOUNTS.fuzzed),
  )
  // Both ways were taken.
  expect(outcomes.get('restored')).toBeGreaterThan(0)
  expect([...outcomes.keys()]).not.toContain('ERR_KVM_INVALID_ARGUMENT')
})
