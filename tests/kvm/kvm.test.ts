import { readdirSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'

import { CAPABILITIES, Kvm, probeHost } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, expectRejection, NOT_OBJECTS, thrownBy } from '../thrown.js'

const onX86 = test.runIf(process.arch === 'x64')

function openFiles(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false // the descriptor of the listing itself
    }
  }).length
}

describe('opening', () => {
  test('the default device speaks version 12', () => {
    using kvm = Kvm.open()
    expect([kvm.apiVersion, kvm.closed]).toEqual([12, false])
  })

  test('the device can be named, and undefined means the default', () => {
    using named = Kvm.open({ path: '/dev/kvm' })
    using usual = Kvm.open({ path: undefined as never })
    expect(named.apiVersion).toBe(usual.apiVersion)
  })

  test('a file that is not there', () => {
    const error = expectRefusal(() => Kvm.open({ path: '/dev/kvm-none' }), 'ERR_KVM_NO_DEVICE', /no such file/)
    expect(error).toMatchObject({ errno: 2, operands: { path: '/dev/kvm-none' } })
  })

  test.each(['/dev/null', '/', '/etc/hostname'])('%s is no KVM device, and does not stay open', (path) => {
    const before = openFiles(path)
    for (let time = 0; time < 3; time++) {
      expectRefusal(() => Kvm.open({ path }), 'ERR_KVM_OPEN')
      expect(openFiles(path)).toBe(before)
    }
  })

  test.each([[''], ['/dev/kvm\0'], [0], [null], [{}], [Buffer.from('/dev/kvm')]])('%s is no path', (path) => {
    expectRefusal(() => Kvm.open({ path: path as never }), 'ERR_KVM_INVALID_ARGUMENT', /path/)
  })

  test('a misspelled option, and what is no options object', () => {
    expectRefusal(() => Kvm.open({ pfad: '/dev/kvm' } as never), 'ERR_KVM_INVALID_ARGUMENT', /pfad/)
    for (const value of NOT_OBJECTS) expectRefusal(() => Kvm.open(value as never), 'ERR_KVM_INVALID_ARGUMENT')
  })
})

describe('capabilities', () => {
  test('what every host has, has some value; what no x86 has, has none', () => {
    using kvm = Kvm.open()
    expect(kvm.check('KVM_CAP_USER_MEMORY')).toBe(1)
    expect(kvm.check('KVM_CAP_NR_MEMSLOTS')).toBeGreaterThan(16)
    expect(kvm.check('KVM_CAP_S390_PSW')).toBe(0)
  })

  test('every name in the table can be asked, of the host and of a VM', () => {
    using kvm = Kvm.open()
    using vm = kvm.createVm()
    for (const name of CAPABILITIES) {
      expect(kvm.check(name)).toBeGreaterThanOrEqual(0)
      expect(vm.check(name)).toBeGreaterThanOrEqual(0)
    }
  })

  test.each([['KVM_CAP_NONE'], ['KVM_EXIT_IO'], ['toString'], ['__proto__'], [''], [0], [null], [Symbol('x')]])(
    '%s is no capability',
    (name) => {
      using kvm = Kvm.open()
      using vm = kvm.createVm()
      expectRefusal(() => kvm.check(name as never), 'ERR_KVM_INVALID_ARGUMENT', /capability/)
      expectRefusal(() => vm.check(name as never), 'ERR_KVM_INVALID_ARGUMENT', /capability/)
    },
  )
})

describe('what the host offers', () => {
  onX86('supported CPUID has the vendor leaf and plain numbers', () => {
    using kvm = Kvm.open()
    const entries = kvm.getSupportedCpuid()
    const leaf = entries.find((entry) => entry.function === 0)
    expect(Object.keys(leaf!).sort()).toEqual(['eax', 'ebx', 'ecx', 'edx', 'flags', 'function', 'index'])
    expect(leaf!.eax).toBeGreaterThan(0)
    for (const value of entries.flatMap((entry): number[] => Object.values<number>({ ...entry }))) {
      expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true)
    }
  })

  onX86('emulated CPUID is a list, and shorter than the supported one', () => {
    using kvm = Kvm.open()
    expect(kvm.getEmulatedCpuid().length).toBeLessThan(kvm.getSupportedCpuid().length)
  })

  onX86('the MSR list has the TSC and no index twice', () => {
    using kvm = Kvm.open()
    const list = kvm.getMsrIndexList()
    expect(list).toContain(0x10)
    expect(new Set(list).size).toBe(list.length)
  })

  test('the report says that this host is usable, and knows the same limits', () => {
    using kvm = Kvm.open()
    const report = probeHost()
    expect([report.usable, report.limits.memorySlots]).toEqual([true, kvm.check('KVM_CAP_NR_MEMSLOTS')])
    expect(report.checks.filter((check) => check.required && !check.ok)).toEqual([])
  })

  test('the report of a device that is not there says what is wrong instead of throwing', () => {
    const report = probeHost({ path: '/dev/kvm-none' })
    expect(report.usable).toBe(false)
    expect(report.checks.find((check) => check.name === '/dev/kvm-none')).toMatchObject({ ok: false, required: true })
  })
})

describe('closing', () => {
  test('twice is once, and every call is refused afterwards', () => {
    const kvm = Kvm.open()
    kvm.close()
    kvm.close()
    kvm[Symbol.dispose]()
    expect(kvm.closed).toBe(true)
    const x86 = [() => kvm.getSupportedCpuid(), () => kvm.getEmulatedCpuid(), () => kvm.getMsrIndexList()]
    const calls = [() => kvm.check('KVM_CAP_HLT'), () => kvm.createVm(), ...(process.arch === 'x64' ? x86 : [])]
    for (const call of calls) expectRefusal(call, 'ERR_KVM_CLOSED', /Kvm has been closed/)
    expect(kvm.apiVersion).toBe(12)
  })

  test('its VMs live on', () => {
    const kvm = Kvm.open()
    using vm = kvm.createVm()
    kvm.close()
    using vcpu = vm.createVcpu(0)
    expect(vcpu.getMpState()).toBe('runnable')
  })
})

test('methods of one class on a handle of another are refused by JavaScript itself', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  expect(() => Kvm.prototype.createVm.call(vm as never)).toThrow(TypeError)
  expect(() => Kvm.prototype.close.call(new Proxy(kvm, {}))).toThrow(TypeError)
})

onX86('a refusal of the kernel has its ioctl and errno', () => {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.createIrqchip()
  const error = thrownBy(() => vm.createIrqchip())
  expect(error).toMatchObject({ code: 'ERR_KVM_IOCTL', ioctl: 'KVM_CREATE_IRQCHIP', errno: constants.errno.EEXIST })
  expect(error.message).toMatch(/KVM_CREATE_IRQCHIP failed with EEXIST: the VM has .* already/)
})

test('capabilities() says of every capability what check() returns', async () => {
  using kvm = Kvm.open()
  const report = await kvm.capabilities()
  expect(report.map(({ name, value }) => [name, value])).toEqual(CAPABILITIES.map((name) => [name, kvm.check(name)]))
  expect(report.find(({ name }) => name === 'KVM_CAP_NR_MEMSLOTS')).toMatchObject({ kind: 'count' })
  kvm.close()
  await expectRejection(kvm.capabilities(), 'ERR_KVM_CLOSED')
})
