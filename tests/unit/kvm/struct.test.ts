import { describe, expect, test } from 'vitest'

import { kvm_debugregs, kvm_fpu, kvm_regs, kvm_sregs, kvm_vcpu_events } from '../../../lib/kvm/generated/x86.js'
import { Struct } from '../../../lib/kvm/struct.js'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

// Sizes of the kernel's structs on x86-64 (arch/x86/include/uapi/asm/kvm.h).
test.each([
  ['kvm_regs', kvm_regs, 144],
  ['kvm_sregs', kvm_sregs, 312],
  ['kvm_fpu', kvm_fpu, 416],
  ['kvm_debugregs', kvm_debugregs, 128],
  ['kvm_vcpu_events', kvm_vcpu_events, 64],
] as const)('%s has its size, and its fields end inside it', (_, struct, size) => {
  expect(struct.size).toBe(size)
  const zero = struct.decode(new DataView(new ArrayBuffer(size)))
  expect(struct.bytes(zero as never)).toEqual(new Uint8Array(size))
})

test('every byte that a struct decodes, it encodes again', () => {
  for (const struct of [kvm_regs, kvm_sregs, kvm_fpu, kvm_debugregs, kvm_vcpu_events]) {
    const bytes = Uint8Array.from({ length: struct.size }, (_, index) => (index * 31 + 1) % 256)
    const decoded = struct.decode(new DataView(bytes.buffer))
    const again = struct.decode(new DataView(struct.bytes(decoded as never).buffer as ArrayBuffer))
    expect(again).toEqual(decoded)
  }
})

test('fields lie where the kernel has them', () => {
  const bytes = kvm_regs.bytes({ rax: 1n, rbx: 2n, rcx: 3n, rip: 16n, rflags: 17n })
  const words = new BigUint64Array(bytes.buffer)
  expect([words[0], words[1], words[2], words[16], words[17]]).toEqual([1n, 2n, 3n, 16n, 17n])
})

describe('a patch', () => {
  test('leaves what it does not name, also inside a segment', () => {
    const bytes = new Uint8Array(kvm_sregs.size).fill(0xff)
    kvm_sregs.encode({ cs: { selector: 8 }, cr3: 0x1000n }, new DataView(bytes.buffer))
    const { cs, ds, cr3, cr0 } = kvm_sregs.decode(new DataView(bytes.buffer))
    expect(cs).toEqual({ ...ds, selector: 8 })
    expect([cr3, cr0]).toEqual([0x1000n, 2n ** 64n - 1n])
  })

  test('undefined is left out', () => {
    const bytes = new Uint8Array(kvm_regs.size).fill(1)
    kvm_regs.encode({ rax: undefined } as never, new DataView(bytes.buffer))
    expect(bytes).toEqual(new Uint8Array(kvm_regs.size).fill(1))
  })

  test('at an offset, into a part of a larger buffer', () => {
    const bytes = new Uint8Array(300)
    kvm_regs.encode({ rax: 0xffn }, new DataView(bytes.buffer, 10), 20)
    expect([bytes.indexOf(0xff), bytes.reduce((sum, byte) => sum + byte, 0)]).toEqual([30, 0xff])
    expect(kvm_regs.decode(new DataView(bytes.buffer, 10), 20).rax).toBe(0xffn)
  })

  test('with one wrong field writes none', () => {
    const bytes = new Uint8Array(kvm_regs.size)
    expectRefusal(
      () => kvm_regs.encode({ rax: 1n, rflags: -1n }, new DataView(bytes.buffer)),
      'ERR_KVM_INVALID_ARGUMENT',
    )
    expect(bytes).toEqual(new Uint8Array(kvm_regs.size))
  })

  test('a getter that throws lets its own error through and writes nothing', () => {
    const bytes = new Uint8Array(kvm_regs.size)
    const patch = {
      rax: 1n,
      get rbx(): bigint {
        throw new RangeError('mine')
      },
    }
    expect(() => kvm_regs.encode(patch, new DataView(bytes.buffer))).toThrow(new RangeError('mine'))
    expect(bytes).toEqual(new Uint8Array(kvm_regs.size))
  })
})

describe('what is refused, with the name of the field', () => {
  const refuse = (call: () => unknown, message: RegExp) => expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', message)

  test('unknown registers', () => {
    refuse(() => kvm_regs.bytes({ eax: 1n } as never), /no option 'eax'/)
    refuse(() => kvm_sregs.bytes({ cs: { bas: 0n } } as never), /cs.*'bas'/)
    refuse(() => kvm_vcpu_events.bytes({ nmi: { injecting: 1 } } as never), /nmi.*'injecting'/)
    refuse(() => kvm_regs.bytes(JSON.parse('{"__proto__": 1}') as never), /__proto__/)
    refuse(() => kvm_regs.bytes({ toString: 1n } as never), /toString/)
  })

  test('64-bit registers', () => {
    for (const value of NOT_UINT64S) {
      if (value === null) continue // said below
      refuse(() => kvm_regs.bytes({ rip: value } as never), /kvm_regs\.rip must be a bigint/)
    }
    refuse(() => kvm_regs.bytes({ rip: null } as never), /rip/)
  })

  test('8, 16 and 32 bits: the last value passes, one more does not', () => {
    for (const [field, max] of [
      ['dpl', 0xff],
      ['selector', 0xffff],
      ['limit', 0xffff_ffff],
    ] as const) {
      const bytes = kvm_sregs.bytes({ tr: { [field]: max } })
      expect(kvm_sregs.decode(new DataView(bytes.buffer as ArrayBuffer)).tr[field]).toBe(max)
      for (const value of [max + 1, ...NOT_WHOLE_NUMBERS]) {
        refuse(() => kvm_sregs.bytes({ tr: { [field]: value } }), new RegExp(`tr.*${field}`))
      }
    }
  })

  test('arrays of the wrong length, with a hole, or with a wrong element', () => {
    const words = [0n, 0n, 0n, 0n]
    const wrong = [
      words.slice(1),
      [...words, 0n],
      new Array(4),
      [0n, 0n, 0, 0n],
      new BigUint64Array(4),
      { length: 4 },
      'abcd',
    ]
    for (const interrupt_bitmap of wrong) {
      refuse(() => kvm_sregs.bytes({ interrupt_bitmap } as never), /interrupt_bitmap/)
    }
  })

  test('bytes of the wrong length or kind', () => {
    for (const fpr of [new Uint8Array(127), new Uint8Array(129), new Uint16Array(64), Array(128).fill(0), 'x']) {
      refuse(() => kvm_fpu.bytes({ fpr } as never), /fpr/)
    }
  })

  test('what is no object', () => {
    for (const value of NOT_OBJECTS) {
      refuse(() => kvm_regs.bytes(value as never), /kvm_regs/)
      if (value !== undefined) refuse(() => kvm_sregs.bytes({ gdt: value } as never), /gdt/)
    }
  })

  test('a proxy that lies about its keys gives no value that is not checked', () => {
    const liar = new Proxy({}, { ownKeys: () => [], get: (_, key) => (key === 'rax' ? -1n : undefined) })
    refuse(() => kvm_regs.bytes(liar), /rax/)
  })
})

test('decoded arrays are copies', () => {
  const bytes = new Uint8Array(kvm_fpu.size)
  const fpu = kvm_fpu.decode(new DataView(bytes.buffer))
  fpu.xmm.fill(1)
  expect(bytes).toEqual(new Uint8Array(kvm_fpu.size))
})

test('signed members, arrays of them, members of members', () => {
  const part = new Struct<{ z: number }>('part', 4, 'z@0:s32')
  const struct = new Struct<{ a: number; b: number[]; c: bigint; d: { z: number } }>(
    'signed',
    24,
    'a@0:s8 b@2:s16[2] c@8:s64 d@16:part',
    { part },
  )
  const value = { a: -128, b: [-1, 0x7fff], c: -(2n ** 63n), d: { z: -2 } }
  const bytes = struct.bytes(value)
  expect(struct.decode(new DataView(bytes.buffer))).toEqual(value)
  expect(struct.member('d.z')).toMatchObject({ offset: 16, type: 's32' })
  expect(struct.member('d.y')).toBeUndefined()
  expectRefusal(() => struct.bytes({ a: -129 }), 'ERR_KVM_INVALID_ARGUMENT', /signed\.a/)
  expectRefusal(() => struct.bytes({ c: 2n ** 63n }), 'ERR_KVM_INVALID_ARGUMENT', /signed\.c/)
})
