// Arguments that run code of their own in the middle of being checked: they close the handle, use it, or lie.
import { HostMemory, Kvm, type Vcpu } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, thrownBy } from '../thrown.js'
import { assemble, HLT, INC_AX, outAl } from './guests.js'
import { machine, runTo } from './machine.js'

/** An object whose member `name` runs `action` when it is read, and then is `value`. */
function trap(name: string, value: unknown, action: () => void): never {
  return Object.defineProperty({}, name, {
    enumerable: true,
    get: () => {
      action()
      return value
    },
  }) as never
}

/** A list that runs `action` while it is gone through. */
function* trapList<T>(action: () => void, ...items: T[]): Generator<T> {
  action()
  yield* items
}

const code = assemble(INC_AX, outAl(1), INC_AX, HLT)

describe('closing the handle from inside an argument', () => {
  const calls: Record<string, (vcpu: Vcpu, close: () => void) => unknown> = {
    run: (vcpu, close) => vcpu.run(trap('deadline', 0, close)),
    setRegs: (vcpu, close) => vcpu.setRegs(trap('rax', 1n, close)),
    setSregs: (vcpu, close) => vcpu.setSregs(trap('cr3', 0n, close)),
    setSregsInside: (vcpu, close) => vcpu.setSregs({ cs: trap('base', 0n, close) }),
    setFpu: (vcpu, close) => vcpu.setFpu(trap('fcw', 0x37f, close)),
    setVcpuEvents: (vcpu, close) => vcpu.setVcpuEvents({ nmi: trap('masked', 0, close) }),
    setDebugregs: (vcpu, close) => vcpu.setDebugregs(trap('dr6', 0n, close)),
    setGuestDebug: (vcpu, close) => vcpu.setGuestDebug(trap('enable', true, close)),
    setCpuid2: (vcpu, close) => vcpu.setCpuid2([trap('eax', 0, close)]),
    getMsrs: (vcpu, close) => vcpu.getMsrs(trapList(close, 0x10)),
    setMsrs: (vcpu, close) => vcpu.setMsrs(trapList(close, [0x175, 1n] as const)),
  }

  test.each(Object.entries(calls))('%s', (_, call) => {
    for (const part of ['vcpu', 'vm'] as const) {
      using m = machine(code)
      expect(thrownBy(() => call(m.vcpu, () => m[part].close())).code).toBe('ERR_KVM_CLOSED')
    }
  })

  test('Vm', () => {
    const attacks: ((m: ReturnType<typeof machine>) => unknown)[] = [
      (m) => m.vm.addMemory(trap('at', 0x10_0000, () => m.vm.close())),
      (m) => m.vm.createPit2(trap('speakerDummy', true, () => m.vm.close())),
      (m) => m.vm.setClock(trap('clock', 0n, () => m.vm.close())),
    ]
    for (const attack of attacks) {
      using m = machine(code)
      const size = { size: 4096 }
      expect(['ERR_KVM_CLOSED', 'ERR_KVM_INVALID_ARGUMENT']).toContain(
        thrownBy(() => attack({ ...m, vm: m.vm, ...size })).code,
      )
    }
  })

  test('Vm.addMemory, with all that it needs', () => {
    using m = machine(code)
    const options = {
      size: 4096,
      get at() {
        m.vm.close()
        return 0x10_0000
      },
    }
    expectRefusal(() => m.vm.addMemory(options), 'ERR_KVM_CLOSED')
  })

  test('the memory that is being added', () => {
    using m = machine(code)
    const memory = HostMemory.allocate({ size: 4096 })
    const options = {
      memory,
      get at() {
        memory.close()
        return 0x10_0000
      },
    }
    expectRefusal(() => m.vm.addMemory(options), 'ERR_KVM_CLOSED')
    expect(m.vm.memory.regions).toHaveLength(1)
  })

  test('Kvm.open with a path that changes between two looks', () => {
    let looks = 0
    const options = {
      get path() {
        return looks++ === 0 ? '/dev/kvm' : '/etc/passwd'
      },
    }
    using kvm = Kvm.open(options)
    expect([kvm.apiVersion, looks]).toEqual([12, 1])
  })
})

describe('using the handle from inside an argument', () => {
  test('registers read afterwards are the ones that were set', () => {
    using m = machine(assemble(INC_AX, HLT, HLT))
    m.vcpu.getRegs() // each exit leaves them in the run page from now on
    m.vcpu.setRegs(trap('rbx', 5n, () => m.vcpu.run()))
    const regs = m.vcpu.getRegs()
    m.vcpu.setRegs({}) // forgets what the page says
    expect(m.vcpu.getRegs()).toEqual(regs)
    expect(regs.rbx).toBe(5n)
  })

  test('the same with special registers and MSRs', () => {
    using m = machine(code)
    m.vcpu.getSregs()
    m.vcpu.setSregs({ es: trap('selector', 5, () => m.vcpu.run()) })
    expect(m.vcpu.getSregs().es.selector).toBe(5)
    using other = machine(code)
    other.vcpu.getSregs()
    other.vcpu.setMsrs(trapList(() => other.vcpu.run(), [0xc000_0080, 0x100n] as const))
    expect(other.vcpu.getSregs().efer).toBe(0x100n)
  })

  test('a run inside the options of a run is just one before it', () => {
    using m = machine(code)
    expect(m.vcpu.run(trap('deadline', Infinity, () => runTo(m.vcpu, 'io'))).reason).toBe('hlt')
    expect(m.vcpu.getRegs().rax).toBe(2n)
  })

  test('adding memory inside addMemory: the outer one sees it', () => {
    using m = machine(code)
    const options = {
      size: 4096,
      get at() {
        m.vm.addMemory({ at: 0x10_0000, size: 4096 })
        return 0x10_0000
      },
    }
    expectRefusal(() => m.vm.addMemory(options), 'ERR_KVM_MEMORY_OVERLAP')
  })
})

describe('arguments that lie', () => {
  test('a Uint8Array that claims another length writes no byte outside what it has', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 64
      }
    }
    using m = machine(code)
    const { memory } = m.vm
    memory.fill(0x2000, 64, 0xaa)
    try {
      memory.write(0x2000, new Liar(4))
    } catch (error) {
      expect(error).toBeInstanceOf(Error)
    }
    expect([...memory.read(0x2004, 60)].filter((byte) => byte !== 0xaa && byte !== 0)).toEqual([])
  })

  test('local APIC bytes that claim the right length', () => {
    class Liar extends Uint8Array {
      override get length(): number {
        return 0x400
      }
    }
    using m = machine(code, { irqchip: true })
    expect(() => m.vcpu.setLapic(new Liar(4))).toThrow()
  })

  test('what looks like host memory, but is none', () => {
    using m = machine(code)
    using memory = HostMemory.allocate({ size: 4096 })
    for (const fake of [Object.create(HostMemory.prototype) as object, new Proxy(memory, {})]) {
      expect(() => m.vm.addMemory({ at: 0x10_0000, size: 4096, memory: fake as HostMemory })).toThrow()
    }
    expect(m.vm.memory.regions).toHaveLength(1)
    m.vm.addMemory({ at: 0x10_0000, size: 4096 })
  })

  test('an error of their own comes out as it is, and nothing has changed', () => {
    using m = machine(code)
    const before = m.vcpu.getRegs()
    const angry = () => {
      throw new RangeError('mine')
    }
    expect(() => m.vcpu.setRegs(trap('rax', 1n, angry))).toThrow(new RangeError('mine'))
    expect(() => m.vcpu.run(trap('deadline', 1, angry))).toThrow(new RangeError('mine'))
    expect(() => m.vcpu.getMsrs(trapList(angry, 1))).toThrow(new RangeError('mine'))
    expect(m.vcpu.getRegs()).toEqual(before)
  })
})
