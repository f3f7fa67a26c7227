import { GuestMemfd, Kvm } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, HLT, load, load8, movAl, movEs, outAl, store8, storeByte } from './guests.js'
import { enterUserMode, kind, longModeMachine, machine, runTo } from './machine.js'

const PAGE = 4096
/** GUEST_MEMFD_FLAG_MMAP and GUEST_MEMFD_FLAG_INIT_SHARED. */
const FLAGS = 3
const { has, hasPrivate, flags } = (() => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  return {
    has: vm.check('KVM_CAP_GUEST_MEMFD') > 0,
    hasPrivate: vm.check('KVM_CAP_MEMORY_ATTRIBUTES') > 0,
    flags: vm.check('KVM_CAP_GUEST_MEMFD_FLAGS'),
  }
})()

// Loads the byte at 0x2_0000, writes 7 there, loads it again; each load is shown at port 0x10.
const loadStoreLoad = assemble(movEs(0x2000), load(1, 0), outAl(0x10), storeByte(0, 7), load(1, 0), outAl(0x10), HLT)

test.runIf(has && !hasPrivate)('a guest_memfd beside a region is not touched where no memory is private', () => {
  using m = machine(loadStoreLoad)
  using guestMemfd = m.vm.createGuestMemfd({ size: 2 * PAGE })
  expect(guestMemfd).toBeInstanceOf(GuestMemfd)
  const region = m.vm.addMemory({ at: 0x2_0000, size: PAGE, guestMemfd, guestMemfdOffset: PAGE })
  region.writeUint8(0x2_0000, 9)
  guestMemfd.close()
  const seen = [0, 1].map(() => runTo(m.vcpu, 'io').data[0])
  runTo(m.vcpu, 'hlt')
  expect(seen).toEqual([9, 7])
  expect(region.readUint8(0x2_0000)).toBe(7)
})

// With GUEST_MEMFD_FLAG_MMAP KVM maps the guest_memfd for the processor. Its emulator maps nothing: it goes by the region's address in this
// process. So it depends on who executes the guest, and with kvm_pvm that is the emulator at CPL 0, and the processor at CPL 3.
describe.runIf(flags === FLAGS)('a guest_memfd that could be mapped', () => {
  function seenAndLeft(cpl: 0 | 3) {
    const code = assemble(load8(0x2_0000), outAl(0x10), movAl(7), store8(0x2_0000), load8(0x2_0000), outAl(0x10))
    using m = longModeMachine(code)
    if (cpl === 3) enterUserMode(m)
    using guestMemfd = m.vm.createGuestMemfd({ size: PAGE, flags })
    const region = m.vm.addMemory({ at: 0x2_0000, size: PAGE, guestMemfd })
    region.writeUint8(0x2_0000, 9)
    return { seen: [0, 1].map(() => runTo(m.vcpu, 'io').data[0]), left: region.readUint8(0x2_0000) }
  }

  test('is what the processor sees, instead of the region', () => {
    expect(seenAndLeft(3)).toEqual({ seen: [0, 7], left: 9 })
  })

  test.runIf(kind === 'pvm')('is nothing to the emulator, which sees the region', () => {
    expect(seenAndLeft(0)).toEqual({ seen: [9, 7], left: 7 })
  })
})

test.runIf(has)('what makes no guest_memfd is refused', () => {
  using m = machine(assemble(HLT))
  for (const size of [1, PAGE + 1]) {
    expect(expectRefusal(() => m.vm.createGuestMemfd({ size }), 'ERR_KVM_IOCTL')).toMatchObject({ operands: { size } })
  }
  expectRefusal(() => m.vm.createGuestMemfd({ size: PAGE, flags: 2 ** 40 }), 'ERR_KVM_IOCTL', /EINVAL/)
  expectRefusal(() => m.vm.createGuestMemfd({ size: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
  const add = { at: 0x2_0000, size: PAGE }
  expectRefusal(() => m.vm.addMemory({ ...add, guestMemfd: {} as never }), 'ERR_KVM_INVALID_ARGUMENT', /guestMemfd/)
  expectRefusal(() => m.vm.addMemory({ ...add, guestMemfdOffset: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /guestMemfdOffset/)
  const closed = m.vm.createGuestMemfd({ size: PAGE })
  closed.close()
  expectRefusal(() => m.vm.addMemory({ ...add, guestMemfd: closed }), 'ERR_KVM_CLOSED', /guest_memfd/)
  m.vm.addMemory(add)
})

test('memory is mapped ahead, where the host can; else the typed refusal', () => {
  using m = machine(assemble(movEs(0x400), storeByte(0, 7), HLT))
  const map = () => m.vcpu.preFaultMemory(0x4000, 2 * PAGE)
  if (m.vm.check('KVM_CAP_PRE_FAULT_MEMORY') > 0) map()
  else
    expect(expectRefusal(map, 'ERR_KVM_IOCTL')).toMatchObject({
      ioctl: 'KVM_PRE_FAULT_MEMORY',
      operands: { vcpu: 0, address: 0x4000 },
    })
  expectRefusal(() => m.vcpu.preFaultMemory(-1, PAGE), 'ERR_KVM_INVALID_ARGUMENT', /address/)
  expectRefusal(() => m.vcpu.preFaultMemory(0, 0), 'ERR_KVM_INVALID_ARGUMENT', /size/)
  runTo(m.vcpu, 'hlt')
})

test('memory attributes, where the host has them; else the typed refusal', () => {
  using m = machine(assemble(HLT))
  const set = () => m.vm.setMemoryAttributes({ address: 0, size: PAGE, attributes: 8n })
  if (m.vm.check('KVM_CAP_MEMORY_ATTRIBUTES') > 0) set()
  else
    expect(expectRefusal(set, 'ERR_KVM_IOCTL')).toMatchObject({
      ioctl: 'KVM_SET_MEMORY_ATTRIBUTES',
      operands: { address: 0 },
    })
})
