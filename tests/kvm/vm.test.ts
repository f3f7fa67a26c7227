import { Kvm, type Vm } from 'node-kvm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import {
  assemble,
  END_OF_INTERRUPT,
  HLT,
  INC_AX,
  IRET,
  jumpBack,
  movAl,
  outAl,
  PROGRAM_PIC,
  SPIN,
  STI,
} from './guests.js'
import { kind, machine, run, runTo } from './machine.js'

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

describe('vCPUs', () => {
  test('by id, in any order, listed while they are open', () => {
    const made = [3, 0, 7].map((id) => vm.createVcpu(id))
    expect(vm.vcpus.map((vcpu) => vcpu.id)).toEqual([3, 0, 7])
    made[1]!.close()
    expect(vm.vcpus).toEqual([made[0], made[2]])
  })

  test('an id that is taken, also by a vCPU that has been closed: the kernel keeps it', () => {
    vm.createVcpu(1)
    const error = expectRefusal(() => vm.createVcpu(1), 'ERR_KVM_VCPU_EXISTS', /that id already/)
    expect(error).toMatchObject({ ioctl: 'KVM_CREATE_VCPU', errno: 17, operands: { id: 1 } })
    vm.createVcpu(2).close()
    expectRefusal(() => vm.createVcpu(2), 'ERR_KVM_VCPU_EXISTS')
  })

  test('the last id of the host, and one past it', () => {
    const limit = kvm.check('KVM_CAP_MAX_VCPU_ID')
    expect(vm.createVcpu(limit - 1).id).toBe(limit - 1)
    const error = expectRefusal(() => vm.createVcpu(limit), 'ERR_KVM_VCPU_LIMIT', /KVM_CAP_MAX_VCPU/)
    expect(error.operands).toEqual({ id: limit })
    expectRefusal(() => vm.createVcpu(2 ** 32 - 1), 'ERR_KVM_VCPU_LIMIT')
  })

  test('what is no id', () => {
    for (const id of [2 ** 32, undefined, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => vm.createVcpu(id as never), 'ERR_KVM_INVALID_ARGUMENT', /id/)
    }
    expect(vm.createVcpu(-0).id).toBe(0)
  })
})

describe('interrupt controller', () => {
  test('once, and before any vCPU', () => {
    vm.createIrqchip()
    expectRefusal(() => vm.createIrqchip(), 'ERR_KVM_IOCTL', /already/)
    using other = kvm.createVm()
    other.createVcpu(0)
    expectRefusal(() => other.createIrqchip(), 'ERR_KVM_IOCTL', /before the first vCPU/)
  })

  test('lines: the first and the last, one past, and without a controller', () => {
    expectRefusal(() => vm.irqLine(0, true), 'ERR_KVM_IOCTL', /createIrqchip\(\)/)
    vm.createIrqchip()
    vm.createVcpu(0)
    for (const gsi of [0, 1, 15, 23]) {
      vm.irqLine(gsi, true)
      vm.irqLine(gsi, false)
    }
    vm.irqLine(2 ** 32 - 1, true) // leads nowhere, and the kernel does not say so
    for (const gsi of [2 ** 32, undefined, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => vm.irqLine(gsi as never, true), 'ERR_KVM_INVALID_ARGUMENT', /gsi/)
    }
    for (const level of [1, 0, 'high', null, undefined]) {
      expectRefusal(() => vm.irqLine(1, level as never), 'ERR_KVM_INVALID_ARGUMENT', /level/)
    }
  })

  // The handler of vector 0x20 + line: says its number at port 0x99, acknowledges, and returns.
  const HANDLER = 0x3000
  const handler = (line: number) => assemble(movAl(line), outAl(0x99), END_OF_INTERRUPT, IRET)
  const idle = assemble(PROGRAM_PIC, STI, outAl(0x98), HLT, jumpBack(1))

  test('an interrupt wakes a halted guest and reaches its handler, once for each edge', () => {
    using m = machine(idle, { irqchip: true })
    for (const line of [3, 5]) {
      m.vm.memory.write(HANDLER + line * 0x10, handler(line))
      m.vm.memory.writeUint32((0x20 + line) * 4, HANDLER + line * 0x10) // real-mode vector table
    }
    expect(runTo(m.vcpu, 'io').port).toBe(0x98)
    for (const line of [5, 3, 5]) {
      expect(m.vcpu.run({ deadline: performance.now() + 5 }).reason).toBe('interrupted')
      m.vm.irqLine(line, true)
      const exit = runTo(m.vcpu, 'io')
      expect([exit.port, exit.data[0]]).toEqual([0x99, line])
      m.vm.irqLine(line, false)
    }
    do expect(m.vcpu.run({ deadline: performance.now() + 5 }).reason).toBe('interrupted')
    while (m.vcpu.getMpState() !== 'halted')
  })

  test('a masked interrupt waits', () => {
    using m = machine(assemble(PROGRAM_PIC, outAl(0x98), STI, INC_AX, SPIN), { irqchip: true })
    m.vm.memory.write(HANDLER, handler(4))
    m.vm.memory.writeUint32(0x24 * 4, HANDLER)
    runTo(m.vcpu, 'io')
    m.vm.irqLine(4, true) // interrupts are still off
    expect([...runTo(m.vcpu, 'io').data]).toEqual([4])
  })

  test('a timer that ticks', () => {
    // Counter 0, mode 2, 0x1000 input clocks: about 290 ticks a second (8254 data sheet).
    const timer = [...movAl(0x34), ...outAl(0x43), ...movAl(0x00), ...outAl(0x40), ...movAl(0x10), ...outAl(0x40)]
    using m = machine(assemble(timer, [...idle]), { irqchip: true, pit: true })
    m.vm.memory.write(HANDLER, handler(0))
    m.vm.memory.writeUint32(0x20 * 4, HANDLER)
    expect(runTo(m.vcpu, 'io').port).toBe(0x98)
    for (let tick = 0; tick < 5; tick++) expect(run(m.vcpu)).toMatchObject({ reason: 'io', port: 0x99 })
  })
})

describe('timer', () => {
  // Linux 6.1 lets it come first, later ones do not.
  test.runIf(kind === 'pvm')('not before the controller', () => {
    expectRefusal(() => vm.createPit2(), 'ERR_KVM_IOCTL', /createIrqchip\(\) first/)
  })

  test('once', () => {
    vm.createIrqchip()
    vm.createPit2({ speakerDummy: true })
    expectRefusal(() => vm.createPit2(), 'ERR_KVM_IOCTL', /already/)
  })

  test('wrong options', () => {
    vm.createIrqchip()
    for (const value of [...NOT_OBJECTS, { speaker: true }, { speakerDummy: 1 }]) {
      expectRefusal(() => vm.createPit2(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    vm.createPit2({})
  })
})

describe('pages for Intel', () => {
  test('addresses below 4 GiB, whole pages', () => {
    vm.setTssAddr(2 ** 32 - 3 * 4096)
    vm.setIdentityMapAddr(2 ** 32 - 4096)
    vm.setTssAddr(0xfffb_d000)
    vm.createVcpu(0)
    for (const address of [2 ** 32 - 2 * 4096, 2 ** 32, 1, 4095, undefined, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => vm.setTssAddr(address as never), 'ERR_KVM_INVALID_ARGUMENT', /address/)
    }
    for (const address of [2 ** 32, 1, 4095, undefined, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => vm.setIdentityMapAddr(address as never), 'ERR_KVM_INVALID_ARGUMENT', /address/)
    }
  })

  test('not once there is a vCPU', () => {
    vm.createVcpu(0)
    expectRefusal(() => vm.setIdentityMapAddr(0xfffb_c000), 'ERR_KVM_IOCTL', /before the first vCPU/)
  })
})

describe('clock', () => {
  test('it moves, and can be set', () => {
    const before = vm.getClock()
    expect(vm.getClock().clock).toBeGreaterThan(before.clock)
    vm.setClock({ clock: 5_000_000_000_000n })
    const after = vm.getClock().clock
    expect(after).toBeGreaterThanOrEqual(5_000_000_000_000n)
    expect(after).toBeLessThan(9_000_000_000_000n)
  })

  test('wrong values', () => {
    for (const patch of [...NOT_OBJECTS, { clock: 1 }, { clock: -1n }, { time: 1n }, { flags: 1n }]) {
      expectRefusal(() => vm.setClock(patch as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
    expectRefusal(() => vm.setClock({ clock: 0n, flags: 0xffff_ffff }), 'ERR_KVM_IOCTL', /KVM_SET_CLOCK/)
  })
})
