import { describe, expect, test } from 'vitest'

import { debugregsStruct, fpuStruct, regsStruct, sregsStruct, vcpuEventsStruct } from '../../../lib/kvm/registers.js'
import { Struct } from '../../../lib/kvm/struct.js'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

// Sizes of the kernel's structs on x86-64 (arch/x86/include/uapi/asm/kvm.h).
test.each([
  ['kvm_regs', regsStruct, 144],
  ['kvm_sregs', sregsStruct, 312],
  ['kvm_fpu', fpuStruct, 416],
  ['kvm_debugregs', debugregsStruct, 128],
  ['kvm_vcpu_events', vcpuEventsStruct, 64],
] as const)('%s has its size, and its fields end inside it', (_, struct, size) => {
  expect(struct.size).toBe(size)
  const zero = struct.decode(new DataView(new ArrayBuffer(size)))
  expect(struct.bytes(zero as never)).toEqual(new Uint8Array(size))
})

test('every byte that a struct decodes, it encodes again', () => {
  for (const struct of [regsStruct, sregsStruct, fpuStruct, debugregsStruct, vcpuEventsStruct]) {
    const bytes = Uint8Array.from({ length: struct.size }, (_, index) => (index * 31 + 1) % 256)
    const decoded = struct.decode(new DataView(bytes.buffer))
    const again = struct.decode(new DataView(struct.bytes(decoded as never).buffer as ArrayBuffer))
    expect(again).toEqual(decoded)
  }
})

test('fields lie where the kernel has them', () => {
  const bytes = regsStruct.bytes({ rax: 1n, rbx: 2n, rcx: 3n, rip: 16n, rflags: 17n })
  const words = new BigUint64Array(bytes.buffer)
  expect([words[0], words[1], words[2], words[16], words[17]]).toEqual([1n, 2n, 3n, 16n, 17n])
})

describe('a patch', () => {
  test('leaves what it does not name, also inside a segment', () => {
    const bytes = new Uint8Array(sregsStruct.size).fill(0xff)
    sregsStruct.encode({ cs: { selector: 8 }, cr3: 0x1000n }, new DataView(bytes.buffer))
    const { cs, ds, cr3, cr0 } = sregsStruct.decode(new DataView(bytes.buffer))
    expect(cs).toEqual({ ...ds, selector: 8 })
    expect([cr3, cr0]).toEqual([0x1000n, 2n ** 64n - 1n])
  })

  test('undefined is left out', () => {
    const bytes = new Uint8Array(regsStruct.size).fill(1)
    regsStruct.encode({ rax: undefined } as never, new DataView(bytes.buffer))
    expect(bytes).toEqual(new Uint8Array(regsStruct.size).fill(1))
  })

  test('at an offset, into a part of a larger buffer', () => {
    const bytes = new Uint8Array(300)
    regsStruct.encode({ rax: 0xffn }, new DataView(bytes.buffer, 10), 20)
    expect([bytes.indexOf(0xff), bytes.reduce((sum, byte) => sum + byte, 0)]).toEqual([30, 0xff])
    expect(regsStruct.decode(new DataView(bytes.buffer, 10), 20).rax).toBe(0xffn)
  })

  test('with one wrong field writes none', () => {
    const bytes = new Uint8Array(regsStruct.size)
    expectRefusal(
      () => regsStruct.encode({ rax: 1n, rflags: -1n }, new DataView(bytes.buffer)),
      'ERR_KVM_INVALID_ARGUMENT',
    )
    expect(bytes).toEqual(new Uint8Array(regsStruct.size))
  })

  test('a getter that throws lets its own error through and writes nothing', () => {
    const bytes = new Uint8Array(regsStruct.size)
    const patch = {
      rax: 1n,
      get rbx(): bigint {
        throw new RangeError('mine')
      },
    }
    expect(() => regsStruct.encode(patch, new DataView(bytes.buffer))).toThrow(new RangeError('mine'))
    expect(bytes).toEqual(new Uint8Array(regsStruct.size))
  })
})

describe('what is refused, with the name of the field', () => {
  const refuse = (call: () => unknown, message: RegExp) => expectRefusal(call, 'ERR_KVM_INVALID_ARGUMENT', message)

  test('unknown registers', () => {
    refuse(() => regsStruct.bytes({ eax: 1n } as never), /no option 'eax'/)
    refuse(() => sregsStruct.bytes({ cs: { bas: 0n } } as never), /cs.*'bas'/)
    refuse(() => vcpuEventsStruct.bytes({ nmi: { injecting: 1 } } as never), /nmi.*'injecting'/)
    refuse(() => regsStruct.bytes(JSON.parse('{"__proto__": 1}') as never), /__proto__/)
    refuse(() => regsStruct.bytes({ toString: 1n } as never), /toString/)
  })

  test('64-bit registers', () => {
    for (const value of NOT_UINT64S) {
      if (value === null) continue // said below
      refuse(() => regsStruct.bytes({ rip: value } as never), /kvm_regs\.rip must be a bigint/)
    }
    refuse(() => regsStruct.bytes({ rip: null } as never), /rip/)
  })

  test('8, 16 and 32 bits: the last value passes, one more does not', () => {
    for (const [field, max] of [
      ['dpl', 0xff],
      ['selector', 0xffff],
      ['limit', 0xffff_ffff],
    ] as const) {
      const bytes = sregsStruct.bytes({ tr: { [field]: max } })
      expect(sregsStruct.decode(new DataView(bytes.buffer as ArrayBuffer)).tr[field]).toBe(max)
      for (const value of [max + 1, ...NOT_WHOLE_NUMBERS]) {
        refuse(() => sregsStruct.bytes({ tr: { [field]: value } }), new RegExp(`tr.*${field}`))
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
      refuse(() => sregsStruct.bytes({ interrupt_bitmap } as never), /interrupt_bitmap/)
    }
  })

  test('bytes of the wrong length or kind', () => {
    for (const fpr of [new Uint8Array(127), new Uint8Array(129), new Uint16Array(64), Array(128).fill(0), 'x']) {
      refuse(() => fpuStruct.bytes({ fpr } as never), /fpr/)
    }
  })

  test('what is no object', () => {
    for (const value of NOT_OBJECTS) {
      refuse(() => regsStruct.bytes(value as never), /kvm_regs/)
      if (value !== undefined) refuse(() => sregsStruct.bytes({ gdt: value } as never), /gdt/)
    }
  })

  test('a proxy that lies about its keys gives no value that is not checked', () => {
    const liar = new Proxy({}, { ownKeys: () => [], get: (_, key) => (key === 'rax' ? -1n : undefined) })
    refuse(() => regsStruct.bytes(liar), /rax/)
  })
})

test('decoded arrays are copies', () => {
  const bytes = new Uint8Array(fpuStruct.size)
  const fpu = fpuStruct.decode(new DataView(bytes.buffer))
  fpu.xmm.fill(1)
  expect(bytes).toEqual(new Uint8Array(fpuStruct.size))
})

test('a struct that this architecture lacks is an error when it is used, and not before', () => {
  const struct = new Struct<{ a: number }>('kvm_no_such_struct')
  expectRefusal(() => struct.bytes({ a: 1 }), 'ERR_KVM_UNSUPPORTED', /kvm_no_such_struct/)
  expectRefusal(() => struct.decode(new DataView(new ArrayBuffer(8))), 'ERR_KVM_UNSUPPORTED', /kvm_no_such_struct/)
})
