import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { registerId, registerKind, registerName, registerNames, registerSize } from 'node-kvm/arch/arm64'
import * as uapi from '../../../lib/kvm/generated/arm64.js'
import { expectRefusal, NOT_OBJECTS, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

test('every name has an id of its own, and leads back', () => {
  const names = registerNames()
  expect(names.length).toBeGreaterThan(300)
  expect(new Set(names.map((name) => registerId(name))).size).toBe(names.length)
  for (const name of names) expect([name, registerName(registerId(name))]).toEqual([name, name])
})

test('registers of the core have the ids of the KVM API documentation', () => {
  const documented = {
    ...{ x0: 0x6030_0000_0010_0000n, x1: 0x6030_0000_0010_0002n, x30: 0x6030_0000_0010_003cn },
    ...{ sp: 0x6030_0000_0010_003en, pc: 0x6030_0000_0010_0040n, pstate: 0x6030_0000_0010_0042n },
    ...{ sp_el1: 0x6030_0000_0010_0044n, elr_el1: 0x6030_0000_0010_0046n, spsr_el1: 0x6030_0000_0010_0048n },
    ...{ spsr_abt: 0x6030_0000_0010_004an, spsr_fiq: 0x6030_0000_0010_0050n },
    ...{ v0: 0x6040_0000_0010_0054n, v31: 0x6040_0000_0010_00d0n },
    ...{ fpsr: 0x6020_0000_0010_00d4n, fpcr: 0x6020_0000_0010_00d5n },
  }
  for (const [name, id] of Object.entries(documented)) expect([name, registerId(name)]).toEqual([name, id])
  const sizes = ['x0', 'v0', 'fpsr', 'z0', 'p0', 'KVM_REG_ARM64_SVE_VLS'].map((name) => registerSize(registerId(name)))
  expect(sizes).toEqual([8, 16, 4, 256, 32, 64])
})

test('timers, firmware and SVE have the ids of <asm/kvm.h>', () => {
  for (const [name, id] of Object.entries({
    CNTV_CTL_EL0: uapi.KVM_REG_ARM_TIMER_CTL,
    CNTV_CVAL_EL0: uapi.KVM_REG_ARM_TIMER_CVAL,
    CNTVCT_EL0: uapi.KVM_REG_ARM_TIMER_CNT,
    CNTP_CTL_EL0: uapi.KVM_REG_ARM_PTIMER_CTL,
    CNTP_CVAL_EL0: uapi.KVM_REG_ARM_PTIMER_CVAL,
    CNTPCT_EL0: uapi.KVM_REG_ARM_PTIMER_CNT,
  })) {
    expect([name, registerId(name)]).toEqual([name, id])
  }
  const known = registerNames().filter((name) => name.startsWith('KVM_REG_'))
  expect(known.map((name) => [name, registerId(name)])).toEqual(
    known.map((name) => [name, (uapi as unknown as Record<string, bigint>)[name]]),
  )
  expect(known).toHaveLength(9)
  const part = (number: number) => BigInt(number)
  expect(registerId('z3') & 0xfff_ffffn).toBe(
    part(uapi.KVM_REG_ARM64_SVE + uapi.KVM_REG_ARM64_SVE_ZREG_BASE) | (3n << 5n),
  )
  expect(registerId('p3') & 0xfff_ffffn).toBe(
    part(uapi.KVM_REG_ARM64_SVE + uapi.KVM_REG_ARM64_SVE_PREG_BASE) | (3n << 5n),
  )
  expect(registerId('ffr') & 0xfff_ffffn).toBe(part(uapi.KVM_REG_ARM64_SVE + uapi.KVM_REG_ARM64_SVE_FFR_BASE))
})

describe('system registers', () => {
  test('by name, by the assembler’s generic name, and by encoding', () => {
    const id = registerId('SCTLR_EL1')
    expect(id).toBe(0x6030_0000_0013_c080n)
    expect(registerId('S3_0_C1_C0_0')).toBe(id)
    expect(registerId({ op0: 3, op1: 0, crn: 1, crm: 0, op2: 0 })).toBe(id)
    expect(registerName(registerId('S3_7_C15_C12_6'))).toBe('S3_7_C15_C12_6')
  })

  // The assembler is in the packages of `npm run check`.
  const assembler = 'aarch64-linux-gnu-as'
  const hasAssembler = execFileSync('sh', ['-c', `command -v ${assembler} || true`], { encoding: 'utf8' }) !== ''

  test.skipIf(!hasAssembler)('have the encodings that the assembler gives them', () => {
    const folder = mkdtempSync(join(tmpdir(), 'node-kvm-'))
    const bits = (name: string) => Number(registerId(name) & 0xffffn)
    // What cannot be read, and what is younger than this assembler, is left out by its own word.
    const names = registerNames().filter((name) => registerKind(registerId(name)) === 'system')
    const assemble = (registers: string[]) => {
      const source = join(folder, 'registers.s')
      const lines = registers.map((name) => `mrs x0, ${name}\n`)
      writeFileSync(source, `.arch armv9-a+sve2+memtag+sme\n${lines.join('')}`)
      execFileSync(assembler, ['-o', join(folder, 'registers.o'), source], { stdio: ['ignore', 'ignore', 'pipe'] })
      execFileSync('aarch64-linux-gnu-objcopy', [
        '-O',
        'binary',
        '-j',
        '.text',
        join(folder, 'registers.o'),
        join(folder, 'code'),
      ])
      const code = readFileSync(join(folder, 'code'))
      return registers.map((_, index) => (code.readUInt32LE(4 * index) >> 5) & 0x7fff)
    }
    try {
      let known = names
      try {
        assemble(names)
      } catch (error) {
        const refused = new Set(
          [...String((error as { stderr: Buffer }).stderr).matchAll(/registers\.s:(\d+): /g)].map(([, line]) =>
            Number(line),
          ),
        )
        known = names.filter((_, index) => !refused.has(index + 2))
      }
      expect(known.length).toBeGreaterThan(250)
      const encoded = assemble(known)
      // MRS has op0's lower bit only; KVM has the two of the virtual timer the wrong way round.
      const swapped: Record<string, string> = { CNTV_CVAL_EL0: 'CNTVCT_EL0', CNTVCT_EL0: 'CNTV_CVAL_EL0' }
      expect(known.map((name, index) => [name, encoded[index]])).toEqual(
        known.map((name) => [name, bits(swapped[name] ?? name) & 0x7fff]),
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

test('ids of a list are told apart', () => {
  const kinds = ['x0', 'ccsidr0', 'SCTLR_EL1', 'KVM_REG_ARM_PSCI_VERSION', 'z0', 'KVM_REG_ARM_STD_BMAP']
  expect(kinds.map((name) => registerKind(registerId(name)))).toEqual([
    ...['core', 'cache', 'system', 'firmware', 'sve', 'firmware-features'],
  ])
  expect([registerKind(0n), registerName(0n)]).toEqual([undefined, undefined])
})

test('what is no register is refused', () => {
  const error = expectRefusal(() => registerId('SCTLR_EL2_'), 'ERR_KVM_INVALID_ARGUMENT', /did you mean SCTLR_EL2/)
  expect(error.operands['near']).toContain('SCTLR_EL2')
  for (const name of ['', 'x31', 'X0', 'S3_8_C0_C0_0', 'S3_0_C16_C0_0', 7, undefined]) {
    expectRefusal(() => registerId(name as never), 'ERR_KVM_INVALID_ARGUMENT', /no arm64 register/)
  }
  expectRefusal(() => registerId(null as never), 'ERR_KVM_INVALID_ARGUMENT')
  const encoding = { op0: 3, op1: 0, crn: 0, crm: 0, op2: 0 }
  for (const wrong of [...NOT_WHOLE_NUMBERS, 16]) {
    expectRefusal(() => registerId({ ...encoding, crm: wrong as never }), 'ERR_KVM_INVALID_ARGUMENT', /crm/)
  }
  for (const wrong of NOT_OBJECTS.filter((value) => typeof value === 'object')) {
    expectRefusal(() => registerId(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  for (const wrong of NOT_UINT64S) {
    for (const call of [registerName, registerSize, registerKind]) {
      expectRefusal(() => call(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /id/)
    }
  }
  for (const id of [0n, 0x2030_0000_0000_0000n, 0x6090_0000_0000_0000n]) {
    expectRefusal(() => registerSize(id), 'ERR_KVM_INVALID_ARGUMENT', /arm64 register/)
  }
})
