// What the guest has written, by the regions' logs, by clearing them by hand, and by the vCPUs' rings.
import { Kvm, type Vm } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, HLT, movEs, storeByte } from './guests.js'
import { kind, longModeMachine, machine, runTo } from './machine.js'

const PAGE = 4096
const AT = 0x2_0000
const RING_ENTRIES = 4096

/** A guest that writes to these pages from AT on, then halts. */
function writer(pages: readonly number[]): Uint8Array {
  return assemble(...pages.flatMap((page) => [movEs(0x2000 + page * 0x100), storeByte(page % 16, 1)]), HLT)
}
const addresses = (pages: readonly number[]) => pages.map((page) => AT + page * PAGE)

const rings = (vm: Vm) => vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL', RING_ENTRIES * 16)
const byHand = (vm: Vm) => vm.enableCap('KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2', 1)
const hasRings = (() => {
  using kvm = Kvm.open()
  return kvm.check('KVM_CAP_DIRTY_LOG_RING_ACQ_REL') > 0
})()

describe.for([
  { via: 'log', prepare: () => undefined },
  { via: 'log', prepare: byHand },
  ...(hasRings ? [{ via: 'ring', prepare: rings }] : []),
] as const)('via $via', ({ via, prepare }) => {
  test('each round has exactly its pages, in order', () => {
    using m = machine(assemble([...writer([9, 2])], [...writer([3, 2])], [...writer([])]), { prepare })
    m.vm.addMemory({ at: AT, size: 16 * PAGE, logDirtyPages: true })
    expect([...m.vm.dirtyPages()]).toEqual([])
    for (const pages of [[2, 9], [2, 3], []]) {
      runTo(m.vcpu, 'hlt')
      const dirty = m.vm.dirtyPages()
      expect([...dirty]).toEqual(addresses(pages))
      expect(dirty).toMatchObject({ via, complete: true, count: pages.length, pageSize: PAGE })
    }
  })

  test('all regions that are tracked, and no other', () => {
    using m = machine(writer([1, 5, 9]), { prepare })
    m.vm.addMemory({ at: AT, size: 4 * PAGE, logDirtyPages: true })
    m.vm.addMemory({ at: AT + 4 * PAGE, size: 4 * PAGE })
    m.vm.addMemory({ at: AT + 8 * PAGE, size: 4 * PAGE, logDirtyPages: true })
    runTo(m.vcpu, 'hlt')
    expect([...m.vm.dirtyPages()]).toEqual(addresses([1, 9]))
  })

  test('a region that has gone is not named', () => {
    using m = machine(writer([1, 5]), { prepare })
    const gone = m.vm.addMemory({ at: AT, size: 4 * PAGE, logDirtyPages: true })
    m.vm.addMemory({ at: AT + 4 * PAGE, size: 4 * PAGE, logDirtyPages: true })
    runTo(m.vcpu, 'hlt')
    m.vm.removeMemory(gone)
    expect([...m.vm.dirtyPages()]).toEqual(addresses([5]))
  })
})

test('a log that is cleared by hand says the same until it is', () => {
  using m = machine(writer([1, 99]), { prepare: byHand })
  const region = m.vm.addMemory({ at: AT, size: 100 * PAGE, logDirtyPages: true })
  runTo(m.vcpu, 'hlt')
  const log = m.vm.getDirtyLog(region)
  expect([...m.vm.getDirtyLog(region)]).toEqual([...log])
  m.vm.clearDirtyLog(region, log)
  expect([...m.vm.getDirtyLog(region)]).toEqual([])
  expectRefusal(
    () => m.vm.clearDirtyLog(region, { bitmap: new Uint8Array(8) } as never),
    'ERR_KVM_INVALID_ARGUMENT',
    /log/,
  )
})

test.runIf(hasRings)('what a vCPU has written is not lost when it is closed', () => {
  using m = machine(writer([3]), { prepare: rings })
  m.vm.addMemory({ at: AT, size: 8 * PAGE, logDirtyPages: true })
  runTo(m.vcpu, 'hlt')
  m.vcpu.close()
  expect([...m.vm.dirtyPages()]).toEqual(addresses([3]))
})

test.runIf(hasRings)('with rings the logs are refused', () => {
  using m = machine(writer([]), { prepare: rings })
  const region = m.vm.addMemory({ at: AT, size: PAGE, logDirtyPages: true })
  expect(expectRefusal(() => m.vm.getDirtyLog(region), 'ERR_KVM_IOCTL', /use dirtyPages/)).toMatchObject({
    ioctl: 'KVM_GET_DIRTY_LOG',
  })
})

test.runIf(hasRings)('a full ring is an exit, after which the guest runs on', () => {
  // The smallest ring that KVM makes, and more pages.
  const [entries, pages, at] = [1024, 1200, 0x10_0000]
  const loop = [0xc6, 0x07, 1, 0x48, 0x81, 0xc7, 0x00, 0x10, 0, 0, 0xff, 0xc9] // byte [rdi]=1; add rdi,0x1000; dec ecx
  const code = assemble(
    [0xbf, 0, 0, 0x10, 0, 0xb9, pages & 0xff, pages >> 8, 0, 0],
    loop,
    [0x75, 254 - loop.length],
    HLT,
  )
  using m = longModeMachine(code, { prepare: (vm) => vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL', entries * 16) })
  m.vm.addMemory({ at, size: pages * PAGE, logDirtyPages: true })
  const seen = new Set<number>()
  let full = 0
  const incomplete: boolean[] = []
  const take = () => {
    const dirty = m.vm.dirtyPages()
    if (!dirty.complete) incomplete.push(true)
    for (const address of dirty) seen.add(address)
  }
  for (let exit = m.vcpu.run(); exit.reason !== 'hlt'; exit = m.vcpu.run()) {
    expect(exit.reason).toBe('dirty-ring-full')
    full++
    take()
  }
  take()
  // A host that emulates the guest's instructions may look too late, or not at all; it must say so.
  const complete = incomplete.length === 0
  if (kind !== 'pvm') expect(complete).toBe(true)
  if (complete) expect(full).toBeGreaterThan(0)
  const all = Array.from({ length: pages }, (_, page) => at + page * PAGE)
  if (complete) expect([...seen].sort((a, b) => a - b)).toEqual(all)
  else for (const address of seen) expect(all).toContain(address)
  expect(m.vm.dirtyPages().complete).toBe(true)
})

test('what makes no ring is refused', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  for (const bytes of [1, 100, 2 ** 30]) {
    expect(expectRefusal(() => vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL', bytes), 'ERR_KVM_IOCTL')).toMatchObject({
      ioctl: 'KVM_ENABLE_CAP',
      operands: { capability: 'KVM_CAP_DIRTY_LOG_RING_ACQ_REL' },
    })
  }
  using vcpu = vm.createVcpu(0)
  expect(vcpu.closed).toBe(false)
  expectRefusal(() => vm.enableCap('KVM_CAP_DIRTY_LOG_RING_ACQ_REL', 65536), 'ERR_KVM_IOCTL')
  expectRefusal(() => vm.enableCap('KVM_CAP_NONSENSE' as never, 1), 'ERR_KVM_INVALID_ARGUMENT', /capability/)
  expectRefusal(() => vm.enableCap('KVM_CAP_HALT_POLL', -1), 'ERR_KVM_INVALID_ARGUMENT', /args/)
  expectRefusal(() => vm.enableCap('KVM_CAP_HALT_POLL', 1, 2, 3, 4, 5), 'ERR_KVM_INVALID_ARGUMENT', /four/)
})
