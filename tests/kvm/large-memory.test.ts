import { Kvm } from 'node-kvm'
import { expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { assemble, HLT, load64, load8, store64, store8 } from './guests.js'
import { longModeMachine, runTo } from './machine.js'

// Sparse: no test touches more than a few pages of it.
const GIB = 2 ** 30

test.each(['memfd', 'anonymous'] as const)('%s: 9 GiB in one region, below and above 4 GiB', (backing) => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  const region = vm.addMemory({ at: GIB, size: 9 * GIB, backing })
  const last = 10 * GIB - 1
  for (const [index, address] of [GIB, 2 * GIB - 1, 2 * GIB, 4 * GIB - 1, 4 * GIB, 5 * GIB + 1, last].entries()) {
    vm.memory.writeUint8(address, index + 1)
    expect([region.readUint8(address), vm.memory.read(address, 1)[0], region.view(address, 1)[0]]).toEqual(
      Array(3).fill(index + 1),
    )
  }
  expectRefusal(() => vm.memory.readUint8(last + 1), 'ERR_KVM_OUTSIDE_MEMORY', /0x280000000/)
  expectRefusal(() => vm.memory.readUint16(last), 'ERR_KVM_OUTSIDE_MEMORY')
})

test('accesses, copies and views across a GiB boundary inside a region are whole', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  const region = vm.addMemory({ at: 0, size: 5 * GIB })
  for (const boundary of [GIB, 2 * GIB, 4 * GIB]) {
    for (let before = 1; before < 8; before++) {
      region.writeUint64(boundary - before, 0x0102_0304_0506_0708n)
      expect(region.readUint64(boundary - before)).toBe(0x0102_0304_0506_0708n)
    }
    region.write(boundary - 3, Uint8Array.of(1, 2, 3, 4, 5, 6))
    expect(region.read(boundary - 4, 8)).toEqual(
      Uint8Array.of(8, 1, 2, 3, 4, 5, 6, 1)
        .with(0, region.readUint8(boundary - 4))
        .with(7, region.readUint8(boundary + 3)),
    )
    const view = region.view(boundary - 2, 4)
    expect([...view]).toEqual([2, 3, 4, 5])
    view[1] = 0xaa
    view[2] = 0xbb
    expect(region.readUint16(boundary - 1)).toBe(0xbbaa)
    region.fill(boundary - 2, 4, 7)
    expect([...view]).toEqual([7, 7, 7, 7])
  }
})

test('a view of 4 GiB, and no longer one', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  const region = vm.addMemory({ at: 0, size: 5 * GIB })
  const view = region.view(4096, 4 * GIB)
  view[4 * GIB - 1] = 7
  expect([view.length, region.readUint8(4 * GIB + 4095)]).toEqual([4 * GIB, 7])
  expectRefusal(() => region.view(0, 4 * GIB + 1), 'ERR_KVM_INVALID_ARGUMENT', /length/)
  vm.close()
  expect(view.length).toBe(0)
})

test('two regions that meet at 4 GiB are one address space', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 4 * GIB - 4096, size: 4096 })
  vm.addMemory({ at: 4 * GIB, size: 4096 })
  vm.memory.writeUint64(4 * GIB - 4, 0x1122_3344_5566_7788n)
  expect([vm.memory.readUint32(4 * GIB - 4), vm.memory.readUint32(4 * GIB)]).toEqual([0x5566_7788, 0x1122_3344])
  expectRefusal(() => vm.memory.view(4 * GIB - 4, 8), 'ERR_KVM_NOT_CONTIGUOUS', /0x100000000/)
})

test('a guest in 64-bit mode reads and writes at and above 4 GiB, and past its end', () => {
  const [start, inside, past] = [4 * GIB, 4 * GIB + 0x12_3456, 4 * GIB + 0x20_0000]
  using m = longModeMachine(
    assemble(load64(start), store64(inside), load8(past - 1), store8(past), load64(past + 8), HLT),
  )
  m.vm.addMemory({ at: start, size: 0x20_0000 })
  m.vm.memory.writeUint64(start, 0x8877_6655_4433_2211n)
  m.vm.memory.writeUint8(past - 1, 0x99)
  const write = runTo(m.vcpu, 'mmio')
  expect(write).toMatchObject({ address: past, isWrite: true })
  expect([...write.data]).toEqual([0x99])
  expect(m.vm.memory.readUint64(inside)).toBe(0x8877_6655_4433_2211n)
  const read = runTo(m.vcpu, 'mmio')
  expect(read).toMatchObject({ address: past + 8, isWrite: false })
  read.data.set([8, 7, 6, 5, 4, 3, 2, 1])
  runTo(m.vcpu, 'hlt')
  expect(m.vcpu.getRegs().rax).toBe(0x0102_0304_0506_0708n)
})

test('memory that is touched in a few places counts little for the garbage collector', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0, size: GIB })
  const before = process.memoryUsage().external
  for (const address of [0, GIB / 2, GIB - 1]) vm.memory.writeUint8(address, 1)
  // From 64 MiB on, V8 collects at once.
  expect(process.memoryUsage().external - before).toBeLessThan(64 * 2 ** 20)
})
