// What the machine of x86_64 does with calls that a user makes on its VM and vCPUs.
import type { Vcpu } from 'node-kvm'
import { flat, Machine } from 'node-kvm/machine'
import { KVM_MSR_EXIT_REASON_UNKNOWN } from 'node-kvm/uapi'
import { expect, test } from 'vitest'

import { assemble, HLT, movEcx, outDx, RDMSR } from './guests.js'

const [UNKNOWN_MSR, RESET_PORT, EXIT_PORT] = [0x1234_5678, 0x64n, 0xf4n]
const [XMM0, XSTATE_BV, X87_AND_SSE] = [160, 512, 3]

const extendedState = (vcpu: Vcpu) => ({ xcrs: vcpu.getXcrs(), xmm: vcpu.getFpu().xmm, xsave: vcpu.getXsave() })

test('MSR exits reach the exit table, and a reset sets XCR0 and the extended state back', async () => {
  // What the MSR says is a port and a byte for it.
  const image = assemble(movEcx(UNKNOWN_MSR), RDMSR, outDx(1), HLT)
  using machine = await Machine.create({ boot: flat({ image, address: 0x8000, mode: 'real' }), memory: '1M' })
  machine.vm.enableCap('KVM_CAP_X86_USER_SPACE_MSR', KVM_MSR_EXIT_REASON_UNKNOWN)
  const lives: ReturnType<typeof extendedState>[] = []
  machine.onExit('x86-rdmsr', (exit, vcpu) => {
    expect(exit.index).toBe(UNKNOWN_MSR)
    exit.data = lives.length === 0 ? (RESET_PORT << 32n) | 0xfen : EXIT_PORT << 32n
    lives.push(extendedState(vcpu))
    const area = vcpu.getXsave()
    area.fill(0x77, XMM0, XMM0 + 256)
    area[XSTATE_BV] = X87_AND_SSE
    vcpu.setXcrs([[0, BigInt(X87_AND_SSE)]])
    vcpu.setXsave(area)
  })
  expect(await machine.run({ timeout: 60_000 })).toMatchObject({ kind: 'exit', value: 0 })
  const [first, second] = lives
  expect(second).toEqual(first)
  expect(first).toMatchObject({ xcrs: new Map([[0, 1n]]), xmm: new Uint8Array(256) })
})
