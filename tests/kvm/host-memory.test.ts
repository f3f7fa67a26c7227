import { readFileSync } from 'node:fs'

import { HostMemory, Kvm } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, HLT, load, movAl, movEs, store } from './guests.js'
import { machine, runTo } from './machine.js'

const PAGE = 4096

describe('allocating', () => {
  test.each([undefined, 'memfd', 'anonymous'] as const)('backing %s', (backing) => {
    using memory = HostMemory.allocate({ size: 2 * PAGE, ...(backing === undefined ? {} : { backing }) })
    expect([memory.size, memory.closed]).toEqual([2 * PAGE, false])
    const named = readFileSync('/proc/self/maps', 'utf8').includes('memfd:guest-memory')
    expect(named).toBe(backing !== 'anonymous')
  })

  test('sizes that are none, and those that no host has', () => {
    for (const size of [0, 1, PAGE - 1, PAGE + 1, 2 ** 52 + PAGE, undefined, ...NOT_WHOLE_NUMBERS]) {
      expectRefusal(() => HostMemory.allocate({ size: size as never }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
    }
    for (const backing of ['memfd', 'anonymous'] as const) {
      const error = expectRefusal(() => HostMemory.allocate({ size: 2 ** 52, backing }), 'ERR_KVM_OUT_OF_MEMORY')
      expect(error).toMatchObject({ errno: 12, operands: { size: 2 ** 52 } })
    }
  })

  test('wrong options', () => {
    for (const value of NOT_OBJECTS)
      expectRefusal(() => HostMemory.allocate(value as never), 'ERR_KVM_INVALID_ARGUMENT')
    for (const option of [{ backing: 'disk' }, { backing: null }, { hugePages: '2m' }, { hugePages: 21 }, { siz: 1 }]) {
      expectRefusal(() => HostMemory.allocate({ size: 2 ** 30, ...option } as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })
})

test.each(['memfd', 'anonymous'] as const)('transparent huge pages, %s: the kernel may, and can', (backing) => {
  const size = 6 * 2 ** 20 + PAGE
  using memory = HostMemory.allocate({ size, backing, hugePages: 'transparent' })
  using m = machine(new Uint8Array())
  const region = m.vm.addMemory({ at: 0x4000_0000, memory })
  region.write(0x4000_0000 + size - 1, Uint8Array.of(7))
  expect(region.read(0x4000_0000 + size - 1, 1)).toEqual(Uint8Array.of(7))
  // Linux, proc_pid_smaps(5): hg is MADV_HUGEPAGE.
  const advised = readFileSync('/proc/self/smaps', 'utf8')
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .filter(
      (mapping) => /^VmFlags:.* hg/m.test(mapping) && mapping.includes(`Size:${String(size / 1024).padStart(19)} kB`),
    )
    .map((mapping) => parseInt(mapping, 16))
  expect(advised).toEqual([expect.any(Number)])
  expect(advised[0]! % 2 ** 21).toBe(0)
})

describe.each([
  ['2M', 2 ** 21, 'hugepages-2048kB'],
  ['1G', 2 ** 30, 'hugepages-1048576kB'],
] as const)('huge pages of %s', (hugePages, size, directory) => {
  test('need whole ones', () => {
    for (const wrong of [PAGE, size - PAGE, size + PAGE]) {
      expectRefusal(() => HostMemory.allocate({ size: wrong, hugePages }), 'ERR_KVM_INVALID_ARGUMENT', /size/)
    }
  })

  test.each(['memfd', 'anonymous'] as const)(
    '%s: work where the host has some, and say so where it has none',
    (backing) => {
      const free = Number(readFileSync(`/sys/kernel/mm/hugepages/${directory}/free_hugepages`, 'utf8'))
      const overcommit = Number(readFileSync(`/sys/kernel/mm/hugepages/${directory}/nr_overcommit_hugepages`, 'utf8'))
      if (free + overcommit > 0) {
        using m = machine(assemble(movEs(0x2000), movAl(7), store(1, 0), HLT), { size: 0x1_0000 })
        const region = m.vm.addMemory({ at: 0x4000_0000, size, backing, hugePages })
        region.writeUint8(region.at + size - 1, 1)
        expect(region.readUint8(region.at + size - 1)).toBe(1)
      } else {
        const error = expectRefusal(
          () => HostMemory.allocate({ size, backing, hugePages }),
          'ERR_KVM_OUT_OF_MEMORY',
          /too few free huge pages/,
        )
        expect(error.operands).toEqual({ size, hugePages })
      }
    },
  )
})

describe('sharing', () => {
  const writer = assemble(movEs(0x2000), movAl(0x5a), store(1, 0x10), HLT)
  const reader = assemble(movEs(0x4000), load(1, 0x10), HLT)

  test('two VMs see the same bytes, at different addresses', () => {
    using memory = HostMemory.allocate({ size: 2 * PAGE })
    using one = machine(writer)
    using two = machine(reader)
    one.vm.addMemory({ at: 0x2_0000, memory })
    two.vm.addMemory({ at: 0x4_0000, size: PAGE, memory })
    runTo(one.vcpu, 'hlt')
    runTo(two.vcpu, 'hlt')
    expect(two.vcpu.getRegs().rax & 0xffn).toBe(0x5an)
    expect(two.vm.memory.readUint8(0x4_0010)).toBe(0x5a)
    two.vm.close()
    one.vm.close()
  })

  test('a part of it, from an offset; what is left out is all that follows', () => {
    using memory = HostMemory.allocate({ size: 4 * PAGE })
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    const all = vm.addMemory({ at: 0, memory })
    const rest = vm.addMemory({ at: 0x10_0000, memory, offset: PAGE })
    const one = vm.addMemory({ at: 0x20_0000, memory, offset: 3 * PAGE, size: PAGE })
    expect([all.size, rest.size, one.size]).toEqual([4 * PAGE, 3 * PAGE, PAGE])
    one.writeUint8(one.at, 9)
    expect([all.readUint8(3 * PAGE), rest.readUint8(rest.at + 2 * PAGE)]).toEqual([9, 9])
    vm.close()
  })

  test('no more than there is, whole pages, and nothing that contradicts', () => {
    using memory = HostMemory.allocate({ size: 2 * PAGE })
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    const wrong = [
      { size: 3 * PAGE },
      { offset: 2 * PAGE },
      { offset: PAGE, size: 2 * PAGE },
      { offset: 3 * PAGE },
      { offset: 1 },
      { offset: -PAGE },
      { size: PAGE + 1 },
      { backing: 'memfd' },
      { hugePages: '2M' },
    ]
    for (const option of wrong) {
      expectRefusal(() => vm.addMemory({ at: 0, memory, ...option } as never), 'ERR_KVM_INVALID_ARGUMENT')
    }
  })

  test('it cannot be closed until the last user is gone', () => {
    const memory = HostMemory.allocate({ size: PAGE })
    using kvm = Kvm.open()
    using one = kvm.createVm()
    using two = kvm.createVm()
    const region = one.addMemory({ at: 0, memory })
    const again = one.addMemory({ at: 0x1000, memory })
    two.addMemory({ at: 0, memory })
    const view = region.view(0, PAGE)
    const refused = () =>
      expectRefusal(() => memory.close(), 'ERR_KVM_MEMORY_IN_USE', /remove its region or close the VM/)
    refused()
    one.removeMemory(region)
    refused()
    one.removeMemory(again)
    refused()
    expect([memory.closed, view.length]).toEqual([false, PAGE])
    two.close()
    memory.close()
    memory.close()
    expect([memory.closed, view.length]).toEqual([true, 0])
  })

  test('it outlives the VMs that used it', () => {
    using kvm = Kvm.open()
    using memory = HostMemory.allocate({ size: PAGE })
    for (let life = 0; life < 3; life++) {
      using vm = kvm.createVm()
      const region = vm.addMemory({ at: 0, memory })
      expect(region.readUint8(0)).toBe(life)
      region.writeUint8(0, life + 1)
    }
  })

  test('closed memory cannot be added', () => {
    const memory = HostMemory.allocate({ size: PAGE })
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    memory.close()
    expectRefusal(() => vm.addMemory({ at: 0, memory }), 'ERR_KVM_CLOSED')
    expect(vm.memory.regions).toEqual([])
    vm.addMemory({ at: 0, size: PAGE })
  })
})
