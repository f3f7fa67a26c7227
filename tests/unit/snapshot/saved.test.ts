import fc from 'fast-check'
import { kvm_ioapic_state, kvm_pit_channel_state, kvm_pit_state2, kvm_sregs2, kvm_vcpu_events } from 'node-kvm/uapi/x86'
import { describe, expect, test } from 'vitest'

import type { Struct } from '../../../lib/kvm/struct.js'
import { readStruct, type Saved, saved } from '../../../lib/snapshot/saved.js'
import { StateReader } from '../../../lib/state.js'
import { expectRefusal } from '../../thrown.js'
import { fuzzRuns } from '../fuzz-runs.js'

const read = <T extends object>(struct: Struct<T>, state: unknown) => readStruct(struct, new StateReader('it', state))
const decode = <T extends object>(struct: Struct<T>, bytes: Uint8Array): T => struct.decode(new DataView(bytes.buffer))

describe('a kernel struct as JSON carries it', () => {
  // One of each kind of member: structs in structs, arrays of 64-bit values, arrays of structs, unnamed structs.
  const structs: [string, Struct<object>][] = [
    ['kvm_sregs2', kvm_sregs2],
    ['kvm_vcpu_events', kvm_vcpu_events],
    ['kvm_ioapic_state', kvm_ioapic_state],
    ['kvm_pit_channel_state', kvm_pit_channel_state],
  ]
  test.each(structs)('%s: what is saved is read, whatever its bytes are', (_, struct) => {
    const bytes = fc.uint8Array({ minLength: struct.size, maxLength: struct.size })
    fc.assert(
      fc.property(bytes, (given) => {
        // Of the members with a sign, only the host's time is one, and it is never negative.
        if (struct === kvm_pit_channel_state) given[23] = 0
        const value = decode(struct, given)
        expect(read(struct, JSON.parse(JSON.stringify(saved(value))))).toEqual(value)
      }),
      fuzzRuns(),
    )
  })

  test('64-bit values are hexadecimal numbers, bytes are digits', () => {
    expect(saved({ a: 0x1000n, b: Uint8Array.of(1, 0xab), c: [0n], d: { e: 5 } })).toEqual({
      a: '0x1000',
      b: '01ab',
      c: ['0x0'],
      d: { e: 5 },
    })
  })

  test('a member that is left out stays out', () => {
    const { count_load_time: _, ...rest } = decode(kvm_pit_channel_state, new Uint8Array(24))
    const reader = new StateReader('it', saved(rest))
    expect(readStruct(kvm_pit_channel_state, reader, ['count_load_time'])).toEqual(rest)
  })
})

describe('a damaged one names the member', () => {
  const good = () => saved(decode(kvm_sregs2, new Uint8Array(kvm_sregs2.size)))
  const damaged: [string, (state: Saved<kvm_sregs2>) => unknown][] = [
    ['cr0', (state) => Reflect.deleteProperty(state, 'cr0')],
    ['cr0', (state) => (state.cr0 = 0 as never)],
    ['cr0', (state) => (state.cr0 = '0x')],
    ['cr0', (state) => (state.cr0 = '0x01')],
    ['cr0', (state) => (state.cr0 = '0x1' + '0'.repeat(16))],
    ['cr0', (state) => (state.cr0 = '-0x1')],
    ['cs', (state) => (state.cs = null as never)],
    ['cs.limit', (state) => (state.cs.limit = 2 ** 32)],
    ['cs.type', (state) => (state.cs.type = 256)],
    ['gdt.limit', (state) => (state.gdt.limit = -1)],
    ['pdptrs', (state) => state.pdptrs.pop()],
    ['pdptrs', (state) => Reflect.deleteProperty(state.pdptrs, 1)],
  ]
  test.each(damaged)('%s, %s', (member, damage) => {
    const state = good()
    damage(state)
    const error = expectRefusal(() => read(kvm_sregs2, state), 'ERR_KVM_INVALID_STATE')
    expect(error.operands).toMatchObject({ device: 'it', member })
  })

  test('in an array of structs, with its place', () => {
    const state = saved(decode(kvm_pit_state2, new Uint8Array(kvm_pit_state2.size)))
    Object.assign(state.channels[2] as object, { gate: 'open' })
    const { operands } = expectRefusal(() => read(kvm_pit_state2, state), 'ERR_KVM_INVALID_STATE')
    expect(operands['member']).toBe('channels[2].gate')
    state.channels[2] = null as never
    expect(expectRefusal(() => read(kvm_pit_state2, state), 'ERR_KVM_INVALID_STATE').operands['member']).toBe(
      'channels[2]',
    )
  })
})
