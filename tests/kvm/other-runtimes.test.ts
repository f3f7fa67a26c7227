import { Kvm } from 'node-kvm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectRefusal, expectRejection } from '../thrown.js'

// Bun and Deno themselves are not here: what they are known by is.
const globals = globalThis as { Deno?: unknown }
beforeEach(() => {
  globals.Deno = {}
})
afterEach(() => {
  delete globals.Deno
})

test("where the event loop is not Node's, threads and doorbells are refused, and run() runs", async () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, size: 0x1_0000 }).write(0x1000, Uint8Array.of(0xf4)) // hlt
  const vcpu = vm.createVcpu(0)
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: 0x1000n, rflags: 2n })

  const starting = (async () => {
    await vcpu.start(() => undefined)
  })()
  await expectRejection(starting, 'ERR_KVM_UNSUPPORTED', /Deno/)
  expectRefusal(() => vm.ioeventfd({ port: 0x70 }, () => undefined), 'ERR_KVM_UNSUPPORTED', /Deno/)
  expect(vcpu.run({ deadline: performance.now() + 10_000 }).reason).toBe('hlt')
})
