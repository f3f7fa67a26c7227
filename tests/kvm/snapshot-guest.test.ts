import { setTimeout } from 'node:timers/promises'
import type { Exit } from 'node-kvm'
import { CpuidTable } from 'node-kvm/arch/x86'
import { restoreVm, saveVm } from 'node-kvm/snapshot'
import { expect, test } from 'vitest'

import { assemble, HLT, inDx, IRET, jumpBack, movDx, movEax, movEcx, outAl, STI, WRMSR } from './guests.js'
import { type Machine, machine, type MachineOptions, runTo, SIZE } from './machine.js'
import { continued } from './saved-vms.js'

const OPTIONS: MachineOptions = { irqchip: true, pit: true, cpuid: true }
const HANDLER = 0x1100
const VECTOR = 0x40
const COUNTER = 0x600

/** wrmsr with a value of 32 bits: edx is 0 in these guests, but where they have read the time stamp counter. */
const setMsr = (index: number, value: number) => [...movEcx(index), ...movEax(value), ...CLEAR_EDX, ...WRMSR]
const CLEAR_EDX = [0x66, 0x31, 0xd2]
const END_OF_X2APIC_INTERRUPT = setMsr(0x80b, 0)
/** inc word [COUNTER]; mov al, [COUNTER]; out 0x10, al */
const COUNT = [0xff, 0x06, COUNTER & 0xff, COUNTER >> 8, 0xa0, COUNTER & 0xff, COUNTER >> 8, ...outAl(0x10)]
/** Milliseconds between two interrupts, and nanoseconds: so fast does the local APIC's timer count. */
const INTERVAL = 5
const TICKS = INTERVAL * 1e6
/** rdtsc; add eax, INTERVAL; adc edx, 0; mov ecx, IA32_TSC_DEADLINE; wrmsr */
const armDeadline = (ticks: number) => [
  ...[0x0f, 0x31],
  ...[0x66, 0x05, ticks & 0xff, (ticks >> 8) & 0xff, (ticks >> 16) & 0xff, ticks >>> 24],
  ...[0x66, 0x83, 0xd2, 0x00],
  ...movEcx(0x6e0),
  ...WRMSR,
]

interface Timer {
  /** IA32_X2APIC_LVT_TIMER, bits 17 and 18. */
  mode: number
  /** How the guest arms it at first, and again in each interrupt. */
  first: readonly number[]
  again: readonly number[]
}

const initialCount = setMsr(0x838, TICKS)
const deadline = armDeadline(INTERVAL * 1e6)
const TIMERS: [string, Timer][] = [
  ['periodic', { mode: 1 << 17, first: initialCount, again: [] }],
  ['one shot after the other', { mode: 0, first: initialCount, again: initialCount }],
  ['deadlines of the time stamp counter', { mode: 1 << 18, first: deadline, again: deadline }],
]

/** A guest that sleeps, counts timer interrupts in memory, and says each number. */
function countingGuest({ mode, first, again }: Timer): Machine {
  const loop = assemble(HLT, jumpBack(1))
  const setUp = assemble(setMsr(0x80f, 0x1ff), setMsr(0x83e, 0b1011), setMsr(0x832, mode | VECTOR), first, STI)
  const m = machine(Uint8Array.from([...setUp, ...loop]), OPTIONS)
  m.vm.memory.write(HANDLER, assemble(COUNT, again, END_OF_X2APIC_INTERRUPT, IRET))
  m.vm.memory.writeUint32(VECTOR * 4, HANDLER)
  const cpuid = new CpuidTable(m.kvm.getSupportedCpuid()).show('x2apic', 'tsc_deadline_timer')
  m.vcpu.setCpuid2(cpuid.entries())
  m.vcpu.setSregs({ apic_base: 0xfee0_0d00n })
  return m
}

test.each(TIMERS)('a guest that counts timer interrupts loses no number: %s', (_, timer) => {
  using first = countingGuest(timer)
  let [current, counted] = [first, 0]
  for (let copy = 0; copy < 4; copy++) {
    for (let numbers = 0; numbers < 3; numbers++) expect([...runTo(current.vcpu, 'io').data]).toEqual([++counted])
    const next = continued(current, OPTIONS)
    if (current !== first) current.vm.close()
    current = next
  }
  expect([...runTo(current.vcpu, 'io').data]).toEqual([counted + 1])
  current.vm.close()
  // Where it was saved first, it goes on, too.
  expect([...runTo(first.vcpu, 'io').data]).toEqual([4])
})

test.each(TIMERS)('a VM that has run goes back to what it was, with its own memory: %s', (_, timer) => {
  using m = countingGuest(timer)
  runTo(m.vcpu, 'io')
  const [state, memory] = [saveVm(m.kvm, m.vm), m.vm.memory.read(0, SIZE)]
  for (let round = 0; round < 3; round++) {
    for (const number of [2, 3, 4]) expect([...runTo(m.vcpu, 'io').data]).toEqual([number])
    m.vm.memory.write(0, memory)
    restoreVm(m.vm, state)
  }
})

test('a timer that goes off while a guest is saved is not lost', () => {
  const [, timer] = TIMERS[1] as [string, Timer]
  using m = countingGuest(timer)
  runTo(m.vcpu, 'io')
  m.vcpu.run({ deadline: performance.now() })
  const late = performance.now() + 3 * INTERVAL
  while (performance.now() < late) saveVm(m.kvm, m.vm)
  using copy = continued(m, OPTIONS)
  expect([...runTo(copy.vcpu, 'io').data]).toEqual([2])
})

test('a vCPU on a thread of its own is paused between two instructions, with its answers taken', async () => {
  const loop = assemble(movDx(0x10), inDx(1), outAl(0x11))
  using m = machine(Uint8Array.from([...loop, ...jumpBack(loop.length)]))
  let answer = 0
  const handle = (exit: Exit) => {
    if (exit.reason !== 'io') throw new Error(`unexpected exit: ${exit.reason}`)
    if (exit.direction === 'in') exit.data[0] = ++answer & 0xff
    else expect([...exit.data]).toEqual([answer & 0xff])
  }
  const finished = m.vcpu.start(handle)
  for (let round = 0; round < 5; round++) {
    await setTimeout(10)
    await m.vm.pause()
    const answered = answer
    using copy = continued(m)
    for (let exits = 0; exits < 10; exits++) handle(runTo(copy.vcpu, 'io'))
    answer = answered
    m.vm.resume()
  }
  await m.vcpu.stop()
  await finished
  expect(answer).toBeGreaterThan(5)
})
