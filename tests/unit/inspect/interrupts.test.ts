// The interrupt state of a report, from registers as KVM gives them.
import { expect, test } from 'vitest'

import { formatControllers, formatInterrupts } from '../../../lib/inspect/format-interrupts.js'
import { type EventState, reportControllers, reportInterrupts } from '../../../lib/inspect/interrupts.js'

const QUIET: EventState = {
  exception: { injected: 0, pending: 0, nr: 0, has_error_code: 0, error_code: 0 },
  interrupt: { injected: 0, nr: 0, shadow: 0 },
  nmi: { injected: 0, pending: 0, masked: 0 },
  smi: { smm: 0, pending: 0, latched_init: 0 },
}
const IF = 1n << 9n

function localApic(registers: Record<number, number>): Uint8Array {
  const bytes = new Uint8Array(0x400)
  const data = new DataView(bytes.buffer)
  for (const [offset, value] of Object.entries(registers)) data.setUint32(Number(offset), value, true)
  return bytes
}

test('a vCPU after a reset', () => {
  const report = reportInterrupts({ events: QUIET, lapic: localApic({ 0xf0: 0xff }) }, 2n)
  expect(formatInterrupts(report)).toEqual(['interrupts off, local APIC off'])
})

test('what is in flight, and a local APIC at work', () => {
  const events = {
    exception: { injected: 0, pending: 1, nr: 14, has_error_code: 1, error_code: 2 },
    interrupt: { injected: 1, nr: 0x31, shadow: 1 },
    nmi: { injected: 0, pending: 1, masked: 1 },
    smi: { smm: 1, pending: 1, latched_init: 1 },
  }
  const lapic = localApic({
    ...{ 0x80: 0x20, 0xf0: 0x1ff, 0x110: 1 << 1, 0x200: 1 << 31, 0x270: 2 ** 31 },
    ...{ 0x320: 0x2_00ec, 0x380: 1000, 0x390: 250 },
  })
  const report = reportInterrupts({ events, lapic }, IF)
  expect(JSON.parse(JSON.stringify(report))).toEqual(report)
  expect(formatInterrupts(report)).toEqual([
    'interrupts on from the next instruction on, NMIs masked, in system management mode, ' +
      'pending: exception 14 with error code 0x2, interrupt 0x31, NMI, SMI, INIT',
    'local APIC: TPR 0x20, requested 0x1f 0xff, in service 0x21; timer periodic, vector 0xec, 250 of 1000 left',
  ])
})

test('a timer that is masked, and one with a deadline', () => {
  const line = (timer: number) =>
    formatInterrupts(reportInterrupts({ events: QUIET, lapic: localApic({ 0xf0: 0x1ff, 0x320: timer }) }, IF))[1]
  expect(line(0x1_0000)).toBe('local APIC: TPR 0x0, requested nothing, in service nothing; timer masked')
  expect(line(0x4_00ec)).toMatch(/; timer TSC deadline, vector 0xec$/)
})

test('the controllers that can interrupt, and the others in the data only', () => {
  const redirtbl = Array.from({ length: 24 }, () => 0x1_0000n)
  redirtbl[2] = 0x30n
  redirtbl[9] = 0xff00_0000_0000_8139n
  redirtbl[20] = 0x400n
  const report = reportControllers({
    master: { irq_base: 8, imr: 0xfe, irr: 1, isr: 2 },
    slave: { irq_base: 0x70, imr: 0xff, irr: 1, isr: 0 },
    ioapic: { irr: 1 << 9, redirtbl },
  })
  expect(report.pins).toHaveLength(24)
  expect(report.pins[0]).toMatchObject({ pin: 0, masked: true })
  expect(report.slave.requested).toBe('0x1')
  expect(formatControllers(report)).toEqual([
    '8259 master: vectors from 0x8, masked 0xfe, requested 0x1, in service 0x2',
    'I/O APIC pin 2: vector 0x30, edge',
    'I/O APIC pin 9: vector 0x39, level, requested',
    'I/O APIC pin 20: NMI, edge',
  ])
})
