// What a program can do to a call while it is made: by getters, by closing, by another thread of the guest's.
import { HostMemory, type Vcpu } from 'node-kvm'
import { expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, HLT, movEs, SPIN, storeByte } from './guests.js'
import { machine, runTo } from './machine.js'
import { noUserfault } from './userfault-rights.js'

const PAGE = 4096
const AT = 0x2_0000
const rings =
  (bytes: number) => (vm: { enableCap: (name: 'KVM_CAP_DIRTY_LOG_RING_ACQ_REL', bytes: number) => void }) => {
    vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL', bytes)
  }

test('a getter of all typed arrays cannot change what was checked', () => {
  using m = machine(assemble(HLT))
  const small = m.vm.addMemory({ at: AT, size: PAGE, logDirtyPages: true })
  m.vm.addMemory({ at: 2 ** 32, size: 2 ** 30, logDirtyPages: true })
  const prototype = Object.getPrototypeOf(Uint8Array.prototype) as object
  const real = Object.getOwnPropertyDescriptor(prototype, 'buffer')
  const before: Uint8Array[] = []
  const buffer = (of: Uint8Array) => real?.get?.call(of) as ArrayBuffer
  try {
    Object.defineProperty(prototype, 'buffer', {
      configurable: true,
      get(this: Uint8Array) {
        // The slot of the large region in place of the small one's, in whatever was looked at before.
        const [looked] = before
        if (looked?.byteLength === 16) new DataView(buffer(looked)).setUint32(0, 2, true)
        before.splice(0, 1, this)
        return buffer(this)
      },
    })
    expect(m.vm.getDirtyLog(small).bitmap.length).toBe(8)
  } finally {
    if (real !== undefined) Object.defineProperty(prototype, 'buffer', real)
  }
  runTo(m.vcpu, 'hlt')
})

const starts = (vcpu: Vcpu) => {
  vcpu.start(() => undefined).catch(() => undefined)
  return 0n
}

test.each<[string, (vcpu: Vcpu) => unknown]>([
  ['setRegs', (vcpu) => vcpu.setRegs({ get rax() { return starts(vcpu) } })], // prettier-ignore
  ['setMsrs', (vcpu) => vcpu.setMsrs((function* () { yield [0x10, starts(vcpu)] as const })())], // prettier-ignore
  ['setXcrs', (vcpu) => vcpu.setXcrs((function* () { yield [0, starts(vcpu)] as const })())], // prettier-ignore
])('%s: a vCPU that its arguments start is not waited for', async (_name, call) => {
  using m = machine(assemble(SPIN), { cpuid: true })
  expectRefusal(() => call(m.vcpu), 'ERR_KVM_RUNNING')
  await m.vcpu.stop()
})

test('dirty pages of a vCPU that is closed while it runs: what may be missing is said', async () => {
  using m = machine(assemble(movEs(0x2000), storeByte(0, 1), SPIN), { prepare: rings(65536) })
  m.vm.addMemory({ at: AT, size: PAGE, logDirtyPages: true })
  const ended = m.vcpu.start(() => undefined)
  ended.catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 20))
  m.vcpu.close()
  expect(m.vm.dirtyPages().complete).toBe(false)
  expect(m.vm.dirtyPages().complete).toBe(true)
  m.vm.close()
  expectRefusal(() => m.vm.dirtyPages(), 'ERR_KVM_CLOSED')
})

test("the ring's entries of a region that has gone are not another one's", () => {
  using m = machine(assemble(movEs(0x2300), storeByte(0, 1), HLT), { prepare: rings(65536) })
  const gone = m.vm.addMemory({ at: AT, size: 4 * PAGE, logDirtyPages: true })
  runTo(m.vcpu, 'hlt')
  m.vm.removeMemory(gone)
  m.vm.addMemory({ at: 0x80_0000, size: 8 * PAGE, logDirtyPages: true })
  expect([...m.vm.dirtyPages()]).toEqual([])
})

test('what is no capability and no log is refused as such', () => {
  using m = machine(assemble(HLT))
  for (const name of [['KVM_CAP_HLT'], Object.create(null), 1, null]) {
    expectRefusal(() => m.vm.check(name as never), 'ERR_KVM_INVALID_ARGUMENT', /capability/)
  }
  const one = m.vm.addMemory({ at: AT, size: PAGE, logDirtyPages: true })
  const two = m.vm.addMemory({ at: AT + PAGE, size: PAGE, logDirtyPages: true })
  const log = m.vm.getDirtyLog(two)
  for (const wrong of [undefined, null, {}, log]) {
    expectRefusal(() => m.vm.clearDirtyLog(one, wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /log/)
  }
  expectRefusal(() => m.vcpu.setCpuid2(new Array(3) as never), 'ERR_KVM_INVALID_ARGUMENT')
  expectRefusal(() => m.vcpu.setCpuid2(new Array(2 ** 31) as never), 'ERR_KVM_INVALID_ARGUMENT', /entries/)
})

test('what was made of a VM goes with it', () => {
  using m = machine(assemble(HLT))
  const stats = m.vm.getStatsFd()
  const ofVcpu = m.vcpu.getStatsFd()
  m.vm.close()
  expect([stats.closed, ofVcpu.closed]).toEqual([true, true])
})

test.skipIf(noUserfault !== undefined)('no call waits for a vCPU that waits for this thread', async () => {
  using memory = HostMemory.allocate({ size: PAGE })
  using m = machine(assemble(movEs(0x2000), storeByte(0, 1), HLT))
  let answer: () => void = () => undefined
  const waiting = new Promise<void>((resolve) => {
    memory.userfault({ missing: true }, (fault) => {
      answer = () => fault.zero()
      resolve()
    })
  })
  m.vm.addMemory({ at: AT, memory })
  const ended = m.vcpu.start(() => void m.vcpu.stop())
  await waiting
  for (const call of [
    () => m.vm.setPmuEventFilter({ action: 'deny', events: [] }),
    () => m.vm.x86SetMsrFilter({ ranges: [{ base: 0x10, count: 1, allow: 'all' }] }),
    () => m.vm.createVcpu(1),
  ]) {
    expectRefusal(call, 'ERR_KVM_USERFAULT')
  }
  answer()
  await ended
})
