import { describe, expect, test } from 'vitest'

import { type AcpiOptions, type AcpiTable, buildAcpiTables, loadAcpiTables } from '../../../../lib/platform/index.js'
import { expectRefusal, NOT_OBJECTS } from '../../../thrown.js'
import { MIB, ram } from '../../boot/sparse-memory.js'
import { MACHINE } from './machine.js'

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff
const view = (table: AcpiTable) => new DataView(table.bytes.buffer, table.bytes.byteOffset, table.bytes.length)

function tables(options: AcpiOptions = MACHINE, address?: number) {
  const all = buildAcpiTables(options, address)
  const named = (signature: string) => all.find((table) => table.signature === signature)!
  return { all, named }
}

test('every table begins with its signature, has its length, and sums up to 0', () => {
  for (const table of tables().all) {
    const text = new TextDecoder().decode(table.bytes.subarray(0, 8))
    expect(text.startsWith(table.signature === 'RSDP' ? 'RSD PTR ' : table.signature)).toBe(true)
    if (table.signature === 'RSDP') {
      expect([sum(table.bytes.subarray(0, 20)), sum(table.bytes)]).toEqual([0, 0])
      continue
    }
    expect(view(table).getUint32(4, true)).toBe(table.bytes.length)
    if (table.signature !== 'FACS') expect(sum(table.bytes)).toBe(0)
  }
})

test('each leads to the next: RSDP, XSDT, FADT and MADT, DSDT and FACS', () => {
  const { all, named } = tables()
  const at = (signature: string) => BigInt(named(signature).address)
  expect(named('RSDP').address).toBe(0xe_0000)
  expect(view(named('RSDP')).getBigUint64(24, true)).toBe(at('XSDT'))
  const xsdt = view(named('XSDT'))
  expect([xsdt.getBigUint64(36, true), xsdt.getBigUint64(44, true)]).toEqual([at('FACP'), at('APIC')])
  const fadt = view(named('FACP'))
  expect([BigInt(fadt.getUint32(40, true)), fadt.getBigUint64(140, true)]).toEqual([at('DSDT'), at('DSDT')])
  expect([BigInt(fadt.getUint32(36, true)), fadt.getBigUint64(132, true)]).toEqual([at('FACS'), 0n])
  const sorted = all.toSorted((a, b) => a.address - b.address)
  for (const [index, { address, bytes }] of sorted.entries()) {
    expect(address % 64).toBe(0)
    expect(address + bytes.length).toBeLessThanOrEqual(sorted[index + 1]?.address ?? Infinity)
  }
})

describe('FADT', () => {
  test('blocks, reset register, SCI and flags', () => {
    const fadt = view(tables().named('FACP'))
    expect([fadt.getUint32(56, true), fadt.getUint32(64, true), fadt.getUint32(76, true)]).toEqual([
      0x600, 0x604, 0x608,
    ])
    expect([fadt.getUint8(88), fadt.getUint8(89), fadt.getUint8(91)]).toEqual([4, 2, 4])
    expect([fadt.getBigUint64(152, true), fadt.getBigUint64(176, true), fadt.getBigUint64(212, true)]).toEqual([
      0x600n,
      0x604n,
      0x608n,
    ])
    expect([fadt.getUint16(46, true), fadt.getUint8(108), fadt.getUint32(48, true)]).toEqual([9, 0x32, 0])
    expect([fadt.getBigUint64(120, true), fadt.getUint8(128)]).toEqual([0xcf9n, 6])
    expect(fadt.getUint32(112, true)).toBe(0b101_0110_0101)
    expect(fadt.getUint16(109, true)).toBe(0b0111)
  })

  test('what is not there is not claimed', () => {
    const { timerPort: _, reset: __, ...powerManagement } = MACHINE.powerManagement
    const fadt = view(tables({ ...MACHINE, powerManagement, devices: [] }).named('FACP'))
    expect([fadt.getUint32(76, true), fadt.getUint8(91), fadt.getUint8(116)]).toEqual([0, 0, 0])
    expect(fadt.getUint32(112, true)).toBe(0b110_0101)
    expect(fadt.getUint16(109, true)).toBe(0b10_0101)
  })
})

describe('MADT', () => {
  /** Type and bytes of each entry. */
  const entries = (options?: AcpiOptions) => {
    const { bytes } = tables(options).named('APIC')
    const found: number[][] = []
    for (let at = 44; at < bytes.length; at += bytes[at + 1]!) found.push([...bytes.subarray(at, at + bytes[at + 1]!)])
    return found
  }

  test('a local APIC for each vCPU, the I/O APIC, the overrides, the NMI', () => {
    expect(entries()).toEqual([
      ...[0, 1, 2, 3].map((id) => [0, 8, id, id, 1, 0, 0, 0]),
      [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
      [4, 6, 0xff, 0, 0, 1],
    ])
    const madt = view(tables().named('APIC'))
    expect([madt.getUint32(36, true), madt.getUint32(40, true)]).toEqual([0xfee0_0000, 1])
  })

  test('APIC identifiers need not be consecutive; an SCI above the ISA range needs no override', () => {
    const found = entries({ ...MACHINE, apicIds: [0, 4, 254], sciGsi: 16 })
    expect(found.filter(([type]) => type === 0).map(([, , uid, id]) => [uid, id])).toEqual([
      [0, 0],
      [1, 4],
      [2, 254],
    ])
    expect(found.filter(([type]) => type === 2)).toHaveLength(1)
  })
})

test('they are written from 0xe0000 on, and fit for the most vCPUs', () => {
  const memory = ram(MIB)
  const { rsdp, placed } = loadAcpiTables(memory, { ...MACHINE, apicIds: Array.from({ length: 255 }, (_, id) => id) })
  expect(rsdp).toBe(0xe_0000)
  expect(new TextDecoder().decode(memory.read(rsdp, 8))).toBe('RSD PTR ')
  expect(placed.map(({ name }) => name)).toEqual(
    ['RSDP', 'FACS', 'DSDT', 'FACP', 'APIC', 'XSDT'].map((name) => `ACPI ${name}`),
  )
  for (const { start, size } of placed) expect(start + size).toBeLessThanOrEqual(MIB)
})

test('too many devices for the place', () => {
  const devices = Array.from({ length: 3000 }, (_, index) => ({
    name: `D${index.toString(32).toUpperCase().padStart(3, '0')}`,
    hid: 'QEMU0001',
    resources: [{ memory: 0, length: 1 }],
  }))
  expectRefusal(() => loadAcpiTables(ram(MIB), { ...MACHINE, devices }), 'ERR_KVM_INVALID_ARGUMENT', /fewer devices/)
})

test('options that are none', () => {
  const pm = MACHINE.powerManagement
  const device = MACHINE.devices[0]!
  const cases: unknown[] = [
    ...NOT_OBJECTS,
    { ...MACHINE, extra: 1 },
    ...[[], [255], [0, 0], [-1], 1, undefined].map((apicIds) => ({ ...MACHINE, apicIds })),
    ...[
      { id: -1, address: 0 },
      { id: 0, address: 2 ** 32 },
      { id: 0, address: 0, gsiBase: -1 },
    ].map((ioApic) => ({ ...MACHINE, ioApic })),
    ...[-1, 0x1_0000, '9'].map((sciGsi) => ({ ...MACHINE, sciGsi })),
    ...[
      { ...pm, eventPort: 0xfffd },
      { ...pm, powerOffType: 8 },
      { ...pm, reset: { port: 0, value: 0 } },
      { ...pm, timerPort: null },
    ].map((powerManagement) => ({ ...MACHINE, powerManagement })),
    ...[
      { ...device, name: 'TOOLONG' },
      { ...device, name: '1ST' },
      { ...device, hid: 'x' },
      { ...device, uid: -1 },
      { ...device, resources: [{ irq: 16 }] },
      { ...device, resources: [{ port: 0xffff, length: 2 }] },
      { ...device, resources: [{ gsi: 1, trigger: 'both' }] },
      { ...device, resources: [{ memory: 0xffff_ffff, length: 2 }] },
    ].map((bad) => ({ ...MACHINE, devices: [bad] })),
    { ...MACHINE, devices: [device, device] },
  ]
  for (const options of cases as never[]) expectRefusal(() => buildAcpiTables(options), 'ERR_KVM_INVALID_ARGUMENT')
  for (const address of [1, 32, -64, 2 ** 32]) {
    expectRefusal(() => buildAcpiTables(MACHINE, address), 'ERR_KVM_INVALID_ARGUMENT', /address/)
  }
})
