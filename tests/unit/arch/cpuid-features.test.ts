// The names of feature bits against headers of the compiler and the kernel.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

import { cpuFeature, type CpuFeature, cpuFeatures } from 'node-kvm/arch/x86'

test('every bit has one name, and every name one bit', () => {
  const places = cpuFeatures().map((name) => Object.values(cpuFeature(name)).join(' '))
  expect(new Set(places).size).toBe(places.length)
  expect(new Set(cpuFeatures()).size).toBe(cpuFeatures().length)
})

test("the bits are where the compiler's <cpuid.h> has them", () => {
  // Names that it spells in its own way.
  const other: Record<string, CpuFeature> = {
    ...{ pclmul: 'pclmulqdq', rdrnd: 'rdrand', cmpxchg16b: 'cx16', cmpxchg8b: 'cx8', fxsave: 'fxsr' },
    ...{ '3dnowp': '3dnowext', gfni: 'gfni', rdpid: 'rdpid', prfchw: '3dnowprefetch' },
  }
  const ours = new Map(cpuFeatures().map((name) => [name.replaceAll('_', ''), name]))
  const header = execFileSync('gcc', ['-print-file-name=include/cpuid.h'], { encoding: 'utf8' }).trim()
  let register = ''
  const known: string[] = []
  for (const line of readFileSync(header, 'utf8').split('\n')) {
    if (line.includes('(%eax ==')) register = 'eax' // unless a further line says otherwise
    register = /^\/\* %(e[a-d]x)/.exec(line)?.[1] ?? register
    const [, name = '', shift = ''] = /^#define bit_(\w+)\s+\(1u? << (\d+)\)/.exec(line) ?? []
    const lower = name.toLowerCase().replaceAll('_', '')
    const feature = other[lower] ?? ours.get(lower)
    if (feature === undefined) continue
    expect({ feature, ...cpuFeature(feature) }).toMatchObject({ feature, register, bit: Number(shift) })
    known.push(feature)
  }
  expect(known.length).toBeGreaterThan(80)
})

test("KVM's bits are those of <asm/kvm_para.h>", () => {
  const header = readFileSync('/usr/include/x86_64-linux-gnu/asm/kvm_para.h', 'utf8')
  const bits = [...header.matchAll(/^#define KVM_FEATURE_(\w+)\s+(\d+)/gm)]
  expect(bits.length).toBeGreaterThan(15)
  for (const [, name = '', bit = ''] of bits) {
    const feature = `kvm_${name.toLowerCase()}` as CpuFeature
    expect([feature, cpuFeature(feature)]).toEqual([
      feature,
      { leaf: 0x4000_0001, index: 0, register: 'eax', bit: Number(bit) },
    ])
  }
})
