import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { CpuidTable, XSAVE_COMPONENTS, XsaveArea } from 'node-kvm/arch/x86'
import { expectRefusal, NOT_WHOLE_NUMBERS } from '../../thrown.js'

/** Leaf 0xd of a processor with AVX-512 and protection keys; CET_U is in compacted areas alone, TILECFG on 64 bytes. */
const COMPONENTS: Record<number, [size: number, offset: number, flags: number]> = {
  2: [256, 576, 0],
  5: [64, 1088, 0],
  6: [512, 1152, 0],
  7: [1024, 1664, 0],
  9: [8, 2688, 0],
  11: [16, 0, 1],
  17: [64, 2752, 2],
}
const cpuid = Object.entries(COMPONENTS).reduce(
  (table, [index, [eax, ebx, ecx]]) => table.set(0xd, Number(index), { eax, ebx, ecx }),
  new CpuidTable([]),
)
const SIZE = 2816
const area = (bytes = new Uint8Array(SIZE)) => ({ bytes, area: new XsaveArea(bytes, cpuid) })
const pattern = (length: number, first = 1) => Uint8Array.from({ length }, (_, index) => (first + index) & 0xff)

describe('the standard format', () => {
  test('has the components that leaf 0xd says, as far as there is room', () => {
    const all = ['x87', 'SSE', 'AVX', 'opmask', 'ZMM_Hi256', 'Hi16_ZMM', 'PKRU', 'TILECFG']
    expect(area().area.components()).toEqual(all)
    expect(area(new Uint8Array(2696)).area.components()).toEqual(all.slice(0, -1))
    expect(area(new Uint8Array(2695)).area.components()).toEqual(all.slice(0, -2))
    expect(area(new Uint8Array(576)).area.components()).toEqual(['x87', 'SSE'])
  })

  test('what is written lies where the processor looks for it, and is in use', () => {
    const { bytes, area: xsave } = area()
    xsave.setXmm(1, pattern(16))
    expect(bytes.subarray(176, 192)).toEqual(pattern(16))
    expect(xsave.xstateBv).toBe(0b10n)
    xsave.setYmm(2, pattern(32))
    expect([bytes.subarray(192, 208), bytes.subarray(608, 624)]).toEqual([pattern(16), pattern(16, 17)])
    xsave.setZmm(3, pattern(64))
    expect(bytes.subarray(1152 + 96, 1152 + 128)).toEqual(pattern(32, 33))
    xsave.setZmm(31, pattern(64, 7))
    expect(bytes.subarray(1664 + 960, 1664 + 1024)).toEqual(pattern(64, 7))
    xsave.setOpmask(7, 0x8000_0000_0000_0001n)
    expect([bytes[1088 + 56], bytes[1088 + 63]]).toEqual([1, 0x80])
    xsave.pkru = 0x5555_5554
    expect(bytes.subarray(2688, 2692)).toEqual(Uint8Array.of(0x54, 0x55, 0x55, 0x55))
    expect(xsave.xstateBv).toBe(0b10_1110_0110n)
    expect([xsave.xmm(1), xsave.ymm(2), xsave.zmm(3), xsave.zmm(31)]).toEqual([
      ...[pattern(16), pattern(32), pattern(64), pattern(64, 7)],
    ])
    expect([xsave.opmask(7), xsave.pkru]).toEqual([0x8000_0000_0000_0001n, 0x5555_5554])
  })

  test('a component that is not in use has its initial value, whatever its bytes are', () => {
    const bytes = new Uint8Array(SIZE).fill(0xff)
    bytes.fill(0, 512, 576)
    const xsave = new XsaveArea(bytes, cpuid)
    expect(xsave.x87).toEqual({ fcw: 0x37f, fsw: 0, ftw: 0 })
    expect([xsave.st(7), xsave.ymm(0), xsave.pkru]).toEqual([new Uint8Array(10), new Uint8Array(32), 0])
    // Its first register: the others get the value that they had.
    xsave.setXmm(15, pattern(16))
    expect([xsave.xmm(0), xsave.xmm(15)]).toEqual([new Uint8Array(16), pattern(16)])
    xsave.reset('SSE')
    expect([xsave.isInUse('SSE'), xsave.xmm(15)]).toEqual([false, new Uint8Array(16)])
  })

  test('x87 and MXCSR', () => {
    const { bytes, area: xsave } = area()
    const data = new DataView(bytes.buffer)
    data.setUint16(0, 0x27f, true)
    data.setUint16(2, 0x3800, true)
    data.setUint8(4, 0x80)
    bytes.set(pattern(10), 32 + 16)
    xsave.xstateBv = 1n
    expect(xsave.x87).toEqual({ fcw: 0x27f, fsw: 0x3800, ftw: 0x80 })
    expect(xsave.st(1)).toEqual(pattern(10))
    xsave.reset('x87')
    xsave.setSt(7, pattern(10))
    xsave.setX87({ ftw: 0x80 })
    expect(bytes.subarray(32 + 112, 32 + 122)).toEqual(pattern(10))
    expect([xsave.x87, xsave.st(1), xsave.xstateBv]).toEqual([
      { fcw: 0x37f, fsw: 0, ftw: 0x80 },
      new Uint8Array(10),
      1n,
    ])
    expectRefusal(() => xsave.setX87({ fcw: 0x1_0000 }), 'ERR_KVM_INVALID_ARGUMENT', /registers.fcw/)
    xsave.mxcsr = 0x1f80
    expect([xsave.mxcsr, data.getUint32(24, true)]).toEqual([0x1f80, 0x1f80])
  })
})

test('the compacted format has components one behind the other, some on 64 bytes', () => {
  const { bytes, area: standard } = area()
  expect(standard.component('CET_U')).toBeUndefined()
  const xcompBv = (1n << 63n) | (1n << 2n) | (1n << 9n) | (1n << 11n) | (1n << 17n)
  new DataView(bytes.buffer).setBigUint64(520, xcompBv, true)
  const xsave = new XsaveArea(bytes, cpuid)
  expect(xsave.components()).toEqual(['x87', 'SSE', 'AVX', 'PKRU', 'CET_U', 'TILECFG'])
  const offsets = (['AVX', 'PKRU', 'CET_U', 'TILECFG'] as const).map((name) => xsave.component(name)?.byteOffset)
  expect(offsets).toEqual([576, 832, 840, 896])
})

describe('what is refused', () => {
  test('too few bytes, and a header that contradicts CPUID', () => {
    for (const wrong of [new Uint8Array(575), new Uint8Array(0), [], null, 'x']) {
      expectRefusal(() => new XsaveArea(wrong as never, cpuid), 'ERR_KVM_INVALID_ARGUMENT', /bytes/)
    }
    expectRefusal(() => new XsaveArea(new Uint8Array(SIZE), [] as never), 'ERR_KVM_INVALID_ARGUMENT', /CpuidTable/)
    for (const [xcompBv, message] of [
      [1n << 2n, /neither 0 nor of the compacted format/],
      [(1n << 63n) | (1n << 3n), /has component 3/],
    ] as const) {
      const bytes = new Uint8Array(SIZE)
      new DataView(bytes.buffer).setBigUint64(520, xcompBv, true)
      expectRefusal(() => new XsaveArea(bytes, cpuid), 'ERR_KVM_INVALID_ARGUMENT', message)
    }
  })

  test('registers and components that there are not, and values of another length; nothing is written then', () => {
    const { bytes, area: xsave } = area(new Uint8Array(832))
    for (const wrong of [16, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => xsave.xmm(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /index/)
    }
    expectRefusal(() => xsave.zmm(0), 'ERR_KVM_INVALID_ARGUMENT', /no room for ZMM_Hi256/)
    expectRefusal(() => xsave.setZmm(0, pattern(64)), 'ERR_KVM_INVALID_ARGUMENT', /no room for ZMM_Hi256/)
    expectRefusal(() => xsave.setYmm(0, pattern(16)), 'ERR_KVM_INVALID_ARGUMENT', /32 bytes/)
    expectRefusal(() => xsave.component('avx' as never), 'ERR_KVM_INVALID_ARGUMENT', /did you mean AVX/)
    expect(bytes).toEqual(new Uint8Array(832))
  })
})

test.skipIf(process.arch !== 'x64')('an area that this processor has written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'node-kvm-'))
  const program = join(folder, 'xsave')
  writeFileSync(
    `${program}.c`,
    `#include <cpuid.h>
#include <stdio.h>
static unsigned char area[16384] __attribute__((aligned(64))), value[32];
int main(void) {
  unsigned a, b, c, d;
  for (unsigned i = 0; i < 63; i++) {
    __cpuid_count(0xd, i, a, b, c, d);
    printf("%u %u %u %u ", a, b, c, d);
  }
  __cpuid(1, a, b, c, d);
  if (!(c >> 27 & 1)) return 1;
  int avx = c >> 28 & 1;
  for (int i = 0; i < 32; i++) value[i] = i + 1;
  if (avx) __asm__ volatile("vmovups %0, %%ymm5" :: "m"(value));
  else __asm__ volatile("movups %0, %%xmm5" :: "m"(value));
  __asm__ volatile("xsave %0" : "+m"(area) : "a"(-1), "d"(-1));
  printf("%d", avx);
  for (unsigned i = 0; i < sizeof area; i++) printf(" %u", area[i]);
  return 0;
}
`,
  )
  try {
    execFileSync('gcc', ['-O1', '-o', program, `${program}.c`])
    const numbers = execFileSync(program, { encoding: 'utf8' }).split(' ').map(Number)
    const leaves = Array.from({ length: 63 }, (_, index) => index).reduce((table, index) => {
      const [eax = 0, ebx = 0, ecx = 0, edx = 0] = numbers.slice(4 * index, 4 * index + 4)
      return table.set(0xd, index, { eax, ebx, ecx, edx })
    }, new CpuidTable([]))
    const xsave = new XsaveArea(Uint8Array.from(numbers.slice(253)), leaves)
    expect(xsave.xmm(5)).toEqual(pattern(16))
    if (numbers[252] === 1) expect(xsave.ymm(5)).toEqual(pattern(32))
    expect(xsave.mxcsr).toBe(0x1f80)
    for (const component of xsave.components()) expect(XSAVE_COMPONENTS).toContain(component)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
