import { HostMemory, Kvm, MemoryRegion, type Vm } from 'node-kvm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, load, movAl, movEs, store, storeByte } from './guests.js'
import { machine, runTo, SIZE } from './machine.js'

const PAGE = 4096

let kvm: Kvm
let vm: Vm
beforeEach(() => {
  kvm = Kvm.open()
  vm = kvm.createVm()
})
afterEach(() => {
  vm.close()
  kvm.close()
})

describe('adding memory', () => {
  test('a region is what was asked for, and zero', () => {
    const region = vm.addMemory({ at: 0x10_0000, size: 2 * PAGE })
    expect(region).toBeInstanceOf(MemoryRegion)
    expect(region).toMatchObject({ at: 0x10_0000, size: 2 * PAGE, readonly: false, logDirtyPages: false })
    expect(region.read(0x10_0000, 2 * PAGE)).toEqual(new Uint8Array(2 * PAGE))
    expect(vm.memory.regions).toEqual([region])
  })

  test('-0 is address 0', () => {
    expect(vm.addMemory({ at: -0, size: PAGE }).at).toBe(0)
  })

  test('the last page of the physical address space that KVM takes, and one past what any processor has', () => {
    expectRefusal(() => vm.addMemory({ at: 2 ** 52, size: PAGE }), 'ERR_KVM_INVALID_ARGUMENT', /at/)
    expectRefusal(() => vm.addMemory({ at: 2 ** 52 - PAGE, size: 2 * PAGE }), 'ERR_KVM_INVALID_ARGUMENT', /at/)
  })

  test.each(NOT_WHOLE_NUMBERS.map((value) => [value]))('%s is no address, size or offset', (value) => {
    const memory = HostMemory.allocate({ size: PAGE })
    const number = value as never
    if (value !== null) {
      // null, like undefined, is an option that was left out
      expectRefusal(() => vm.addMemory({ at: 0, memory, offset: number }), 'ERR_KVM_INVALID_ARGUMENT', /offset/)
    }
    expectRefusal(() => vm.addMemory({ at: number, size: PAGE }), 'ERR_KVM_INVALID_ARGUMENT', /at/)
    expectRefusal(() => vm.addMemory({ at: 0, size: number }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
    expect(vm.memory.regions).toEqual([])
    memory.close() // and nothing has kept it
  })

  test('nothing but whole pages', () => {
    for (const size of [0, 1, PAGE - 1, PAGE + 1, 2 ** 52, (2 ** 31 - 1) * PAGE + PAGE]) {
      expectRefusal(() => vm.addMemory({ at: 0, size }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
    }
    for (const at of [1, PAGE - 1, PAGE + 8]) {
      expectRefusal(() => vm.addMemory({ at, size: PAGE }), 'ERR_KVM_INVALID_ARGUMENT', /at must be a multiple of 4096/)
    }
    expectRefusal(() => vm.addMemory({ at: 0 }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
    expectRefusal(() => vm.addMemory({ size: PAGE } as never), 'ERR_KVM_INVALID_ARGUMENT', /at/)
  })

  test('wrong options', () => {
    for (const value of NOT_OBJECTS) expectRefusal(() => vm.addMemory(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    const wrong: Record<string, unknown>[] = [
      { readOnly: true },
      { readonly: 1 },
      { logDirtyPages: 'yes' },
      { backing: 'file' },
      { backing: 0 },
      { hugePages: '4K' },
      { hugePages: 2 },
      { memory: {} },
      { memory: new Uint8Array(PAGE) },
      { offset: 0 },
    ]
    for (const option of wrong) {
      expectRefusal(() => vm.addMemory({ at: 0, size: PAGE, ...option }), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expect(vm.memory.regions).toEqual([])
  })

  test('neighbours may touch, but not share a page', () => {
    vm.addMemory({ at: 2 * PAGE, size: 2 * PAGE })
    vm.addMemory({ at: PAGE, size: PAGE })
    vm.addMemory({ at: 4 * PAGE, size: PAGE })
    for (const [at, size] of [
      [0, 2],
      [2, 1],
      [3, 1],
      [3, 9],
      [0, 9],
    ] as const) {
      const error = expectRefusal(
        () => vm.addMemory({ at: at * PAGE, size: size * PAGE }),
        'ERR_KVM_MEMORY_OVERLAP',
        /choose another address or remove that region/,
      )
      expect(error.operands).toMatchObject({
        at: at * PAGE,
        size: size * PAGE,
        region: { size: expect.any(Number) as number },
      })
    }
    expect(vm.memory.regions.map((region) => region.at)).toEqual([PAGE, 2 * PAGE, 4 * PAGE])
  })

  test('a place given up can be taken again', () => {
    for (let time = 0; time < 3; time++) {
      const region = vm.addMemory({ at: PAGE, size: PAGE })
      region.writeUint8(PAGE, 1)
      vm.removeMemory(region)
      expectRefusal(() => vm.memory.readUint8(PAGE), 'ERR_KVM_OUTSIDE_MEMORY')
    }
    expect(vm.addMemory({ at: PAGE, size: PAGE }).readUint8(PAGE)).toBe(0)
  })

  test.each(['memfd', 'anonymous'] as const)('%s memory is what the guest sees', (backing) => {
    using m = machine(assemble(movEs(0x2000), load(1, 5), [0x40], store(1, 6), HLT))
    const region = m.vm.addMemory({ at: 0x2_0000, size: PAGE, backing })
    region.writeUint8(0x2_0005, 41)
    runTo(m.vcpu, 'hlt')
    expect(region.readUint8(0x2_0006)).toBe(42)
  })
})

describe('the memory behind a region', () => {
  test('is what was given, from where it was given', () => {
    using memory = HostMemory.allocate({ size: 4 * PAGE })
    const region = vm.addMemory({ at: 0, memory, offset: PAGE })
    expect(vm.hostMemory(region)).toEqual({ memory, offset: PAGE })
    vm.removeMemory(region)
  })

  test('is what was allocated: another VM can have it, and it is closed with its region', () => {
    const region = vm.addMemory({ at: 0, size: PAGE })
    const { memory, offset } = vm.hostMemory(region)
    expect([memory.size, offset, typeof memory.fd]).toEqual([PAGE, 0, 'number'])
    using second = kvm.createVm()
    const shared = second.addMemory({ at: 0x1000, memory })
    vm.memory.writeUint8(5, 7)
    expect(second.memory.readUint8(0x1005)).toBe(7)
    expectRefusal(() => memory.close(), 'ERR_KVM_MEMORY_IN_USE')
    second.removeMemory(shared)
    vm.removeMemory(region)
    expect(memory.closed).toBe(true)
  })

  test('of a region that has gone, or of another VM', () => {
    const region = vm.addMemory({ at: 0, size: PAGE })
    using second = kvm.createVm()
    expectRefusal(() => second.hostMemory(region), 'ERR_KVM_INVALID_ARGUMENT', /region of this VM/)
    vm.removeMemory(region)
    expectRefusal(() => vm.hostMemory(region), 'ERR_KVM_INVALID_ARGUMENT', /region of this VM/)
    expectRefusal(() => vm.hostMemory({} as never), 'ERR_KVM_INVALID_ARGUMENT', /region of this VM/)
    vm.close()
    expectRefusal(() => vm.hostMemory(region), 'ERR_KVM_CLOSED')
  })
})

describe('removing memory', () => {
  test('its views have length 0 then', () => {
    const region = vm.addMemory({ at: 0, size: PAGE })
    const [whole, part, ofVm] = [region.view(0, PAGE), region.view(8, 8), vm.memory.view(0, 1)]
    vm.removeMemory(region)
    expect([whole.length, part.length, ofVm.length, whole[0], region.removed]).toEqual([0, 0, 0, undefined, true])
    expectRefusal(() => region.readUint8(0), 'ERR_KVM_CLOSED')
  })

  test('twice, from another VM, or what is no region', () => {
    using other = kvm.createVm()
    const region = vm.addMemory({ at: 0, size: PAGE })
    expectRefusal(() => other.removeMemory(region), 'ERR_KVM_INVALID_ARGUMENT', /region of this VM/)
    expectRefusal(() => other.getDirtyLog(region), 'ERR_KVM_INVALID_ARGUMENT', /region of this VM/)
    vm.removeMemory(region)
    expectRefusal(() => vm.removeMemory(region), 'ERR_KVM_INVALID_ARGUMENT', /not been removed/)
    for (const value of [null, undefined, 0, {}, vm.memory]) {
      expectRefusal(() => vm.removeMemory(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })

  test('the guest finds nothing there any more', () => {
    using m = machine(assemble(movEs(0x2000), load(1, 0), load(1, 0), HLT))
    const region = m.vm.addMemory({ at: 0x2_0000, size: PAGE })
    m.vcpu.setGuestDebug({ enable: true, singleStep: true })
    for (let step = 0; step < 3; step++) runTo(m.vcpu, 'debug') // as far as the first load
    m.vm.removeMemory(region)
    expect(runTo(m.vcpu, 'mmio')).toMatchObject({ address: 0x2_0000, isWrite: false })
  })
})

describe('read-only memory', () => {
  test("the guest reads it; its write is an mmio exit and changes nothing; the host's write does", () => {
    using m = machine(assemble(movEs(0x2000), storeByte(5, 0x77), load(1, 5), HLT))
    const rom = m.vm.addMemory({ at: 0x2_0000, size: PAGE, readonly: true })
    expect(rom.readonly).toBe(true)
    rom.writeUint8(0x2_0005, 0x11)
    const exit = runTo(m.vcpu, 'mmio')
    expect({ ...exit, data: [...exit.data] }).toEqual({
      reason: 'mmio',
      address: 0x2_0005,
      isWrite: true,
      data: [0x77],
    })
    runTo(m.vcpu, 'hlt')
    expect([m.vcpu.getRegs().rax & 0xffn, rom.readUint8(0x2_0005)]).toEqual([0x11n, 0x11])
  })
})

describe('memory with gaps', () => {
  test('the guest and the host agree where they are', () => {
    using m = machine(assemble(movEs(0x1000), movAl(7), store(1, 0), load(1, 0x1000), HLT))
    const last = m.vm.addMemory({ at: SIZE + PAGE, size: PAGE })
    last.writeUint8(last.at, 9)
    expect(runTo(m.vcpu, 'mmio')).toMatchObject({ address: SIZE, isWrite: true }) // one past the first region
    runTo(m.vcpu, 'hlt')
    expect(m.vcpu.getRegs().rax & 0xffn).toBe(9n) // the first byte of the second
    expectRefusal(() => m.vm.memory.readUint8(SIZE), 'ERR_KVM_OUTSIDE_MEMORY')
    expectRefusal(() => m.vm.memory.read(SIZE - 1, PAGE + 2), 'ERR_KVM_OUTSIDE_MEMORY')
  })
})

describe('closing', () => {
  test("a closed VM's memory refuses, and its views have length 0", () => {
    const region = vm.addMemory({ at: 0, size: PAGE })
    const view = region.view(0, PAGE)
    vm.close()
    expect(view.length).toBe(0)
    expectRefusal(() => vm.memory.readUint8(0), 'ERR_KVM_CLOSED')
    expectRefusal(() => region.readUint8(0), 'ERR_KVM_CLOSED')
    expectRefusal(() => vm.addMemory({ at: 0, size: PAGE }), 'ERR_KVM_CLOSED')
    expectRefusal(() => vm.removeMemory(region), 'ERR_KVM_CLOSED')
    expectRefusal(() => vm.getDirtyLog(region), 'ERR_KVM_CLOSED')
  })
})
