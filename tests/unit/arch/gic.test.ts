import { expect, test } from 'vitest'

import * as gic from 'node-kvm/arch/arm64'
import * as uapi from '../../../lib/kvm/generated/arm64.js'
import { expectRefusal, NOT_UINT64S, NOT_WHOLE_NUMBERS } from '../../thrown.js'

const constants = uapi as unknown as Record<string, number>

test('groups, addresses and controls are those of <asm/kvm.h>', () => {
  for (const [name, number] of Object.entries(gic.GIC_GROUP)) {
    expect([name, number]).toEqual([name, constants[`KVM_DEV_ARM_VGIC_GRP_${name}`]])
  }
  expect(gic.GIC_ADDRESS).toEqual({
    V2_DIST: uapi.KVM_VGIC_V2_ADDR_TYPE_DIST,
    V2_CPU: uapi.KVM_VGIC_V2_ADDR_TYPE_CPU,
    V3_DIST: uapi.KVM_VGIC_V3_ADDR_TYPE_DIST,
    V3_REDIST: uapi.KVM_VGIC_V3_ADDR_TYPE_REDIST,
    ITS: uapi.KVM_VGIC_ITS_ADDR_TYPE,
    V3_REDIST_REGION: uapi.KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION,
  })
  expect(gic.GIC_CTRL).toEqual({
    INIT: uapi.KVM_DEV_ARM_VGIC_CTRL_INIT,
    ITS_SAVE_TABLES: uapi.KVM_DEV_ARM_ITS_SAVE_TABLES,
    ITS_RESTORE_TABLES: uapi.KVM_DEV_ARM_ITS_RESTORE_TABLES,
    SAVE_PENDING_TABLES: uapi.KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
    ITS_RESET: uapi.KVM_DEV_ARM_ITS_CTRL_RESET,
  })
})

test('an attribute has its group, the vCPU in its upper half, and the register in its lower one', () => {
  expect(gic.gicAddress('V3_REDIST')).toEqual({ group: 0, attr: 3n })
  expect(gic.gicControl('INIT')).toEqual({ group: 4, attr: 0n })
  expect(gic.gicInterrupts()).toEqual({ group: 3, attr: 0n })
  expect(gic.gicDistributor('GICD_ISENABLER')).toEqual({ group: 1, attr: 0x100n })
  expect(gic.gicDistributor(0x104, 2)).toEqual({ group: 1, attr: 0x2_0000_0104n })
  expect(gic.gicCpuInterface('GICC_PMR', 1)).toEqual({ group: 2, attr: 0x1_0000_0004n })
  expect(gic.gicRedistributor('GICR_ISENABLER0', 0xffff_ffff)).toEqual({ group: 5, attr: 0xffff_ffff_0001_0100n })
  // S3_0_C4_C6_0.
  expect(gic.gicSystemRegister('ICC_PMR_EL1', 3)).toEqual({ group: 6, attr: 0x3_0000_c230n })
  expect(gic.gicLineLevels(33)).toEqual({ group: 7, attr: 32n })
  expect(gic.gicIts('GITS_CTLR')).toEqual({ group: 8, attr: 0n })
})

test('an affinity is four bytes of MPIDR_EL1', () => {
  expect(gic.affinity(0x0000_0004_8003_0201n)).toBe(0x0403_0201)
  expect(gic.affinity(0xff_0000_0000n)).toBe(0xff00_0000)
  for (const wrong of NOT_UINT64S)
    expectRefusal(() => gic.affinity(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /mpidr/)
})

test('what there is not is refused, with what is near', () => {
  expectRefusal(() => gic.gicAddress('V3_DITS' as never), 'ERR_KVM_INVALID_ARGUMENT', /V3_DIST/)
  expectRefusal(() => gic.gicControl('toString' as never), 'ERR_KVM_INVALID_ARGUMENT', /no GIC control/)
  expectRefusal(
    () => gic.gicDistributor('GICR_CTLR'),
    'ERR_KVM_INVALID_ARGUMENT',
    /no GICD_ register "GICR_CTLR"; did you mean GICD_CTLR/,
  )
  expectRefusal(() => gic.gicSystemRegister('ICC_PMR', 0), 'ERR_KVM_INVALID_ARGUMENT', /no GIC system register/)
  for (const wrong of NOT_WHOLE_NUMBERS) {
    expectRefusal(() => gic.gicCpuInterface('GICC_PMR', wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => gic.gicIts(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => gic.gicLineLevels(wrong as never), 'ERR_KVM_INVALID_ARGUMENT')
  }
  expectRefusal(() => gic.gicCpuInterface('GICC_PMR', 256), 'ERR_KVM_INVALID_ARGUMENT', /cpu/)
})
