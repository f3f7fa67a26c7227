import { describe, expect, test } from 'vitest'

import {
  type AcpiOptions,
  type AcpiTable,
  buildAcpiTables,
  type FixedHardware,
  loadAcpiTables,
  type PlacedHardware,
} from '../../../../lib/platform/index.js'
import { expectRefusal, NOT_OBJECTS } from '../../../thrown.js'
import { MIB, ram } from '../../boot/sparse-memory.js'
import { MACHINE, POWER } from './machine.js'

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
  expect([36, 44, 52].map((offset) => xsdt.getBigUint64(offset, true))).toEqual([at('FACP'), at('APIC'), at('HPET')])
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
    expect([fadt.getBigUint64(120, true), fadt.getUint8(128)]).toEqual([0x60cn, 6])
    expect(fadt.getUint32(112, true)).toBe(0b101_0110_0101)
    expect(fadt.getUint16(109, true)).toBe(0b0111)
  })

  test('what is not there is not claimed', () => {
    const bare = { ...POWER, acpi: { fixed: { event: 0, control: 4, sleepTypes: { s5: 0 } } } }
    const fadt = view(tables({ ...MACHINE, nodes: [bare] }).named('FACP'))
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
      [1, 12, 4, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 5, 5, 0, 0, 0, 0x0d, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
      [4, 6, 0xff, 0, 0, 1],
    ])
    const madt = view(tables().named('APIC'))
    expect([madt.getUint32(36, true), madt.getUint32(40, true)]).toEqual([0xfee0_0000, 1])
  })

  test('APIC identifiers need not be consecutive; an SCI above the ISA range needs no override', () => {
    const power: PlacedHardware = { ...POWER, resources: [POWER.resources[0]!, { gsi: 16, trigger: 'level' }] }
    const found = entries({ ...MACHINE, apicIds: [0, 4, 254], nodes: [power] })
    expect(found.filter(([type]) => type === 0).map(([, , uid, id]) => [uid, id])).toEqual([
      [0, 0],
      [1, 4],
      [2, 254],
    ])
    expect(found.filter(([type]) => type === 2)).toHaveLength(1)
  })
})

describe('DSDT', () => {
  const has = (options: AcpiOptions, bytes: readonly number[] | string) =>
    Buffer.from(tables(options).named('DSDT').bytes).includes(typeof bytes === 'string' ? bytes : Buffer.from(bytes))

  test("a device of a user's own is in it, with the resources that the platform has given it, under a free name", () => {
    for (const text of ['D000', 'LNRO0005', 'D001', 'NKVM0001']) expect(has(MACHINE, text)).toBe(true)
    // Its memory, 32 bits; an interrupt with edges and one with a level; its ports.
    expect(has(MACHINE, [0x86, 9, 0, 1, 0, 0, 0, 0xd0, 0, 0x10, 0, 0])).toBe(true)
    expect(has(MACHINE, [0x89, 6, 0, 0b0011, 1, 16, 0, 0, 0])).toBe(true)
    expect(has(MACHINE, [0x89, 6, 0, 0b0001, 1, 18, 0, 0, 0])).toBe(true)
    expect(has(MACHINE, [0x47, 1, 0, 0x10, 0, 0x10, 1, 16])).toBe(true)
    // The other one's is above 4 GiB.
    expect(has(MACHINE, [0x8a, 43, 0, 0, 0b1101, 1])).toBe(true)
  })

  test('a line that devices share is said to be shared', () => {
    const node = (name: string): PlacedHardware => ({
      name,
      resources: [{ gsi: 20, trigger: 'level' }],
      acpi: { hid: 'NKVM0001' },
    })
    expect(has({ ...MACHINE, nodes: [POWER, node('a')] }, [0x89, 6, 0, 0b0001, 1, 20])).toBe(true)
    expect(has({ ...MACHINE, nodes: [POWER, node('a'), node('b')] }, [0x89, 6, 0, 0b1001, 1, 20])).toBe(true)
  })

  test('what is not there is not announced, nor what has no name for it', () => {
    expect(has(MACHINE, 'COM1')).toBe(true)
    for (const text of ['COM1', 'RTC_', '_SB_']) expect(has({ ...MACHINE, nodes: [POWER] }, text)).toBe(false)
  })

  test('sleep states: soft off, and with the memory kept only where the hardware says so', () => {
    expect([has(MACHINE, '_S3_'), has(MACHINE, '_S5_')]).toEqual([true, true])
    const { fixed } = POWER.acpi as { fixed: FixedHardware }
    const nodes = [{ ...POWER, acpi: { fixed: { ...fixed, sleepTypes: { s5: 5 } } } }]
    expect([has({ ...MACHINE, nodes }, '_S3_'), has({ ...MACHINE, nodes }, '_S5_')]).toEqual([false, true])
  })
})

test('a high precision event timer has a table, with where it is and what its first register says', () => {
  const hpet = view(tables().named('HPET'))
  expect([hpet.getUint32(36, true), hpet.getUint8(40), hpet.getBigUint64(44, true)]).toEqual([
    0x8086_a201,
    0,
    0xfed0_0000n,
  ])
  expect([hpet.getUint8(52), hpet.getUint16(53, true)]).toEqual([0, 0x80])
  expect(tables({ ...MACHINE, nodes: [POWER] }).named('HPET')).toBeUndefined()
})

test('they are written from 0xe0000 on, and fit for the most vCPUs', () => {
  const memory = ram(MIB)
  const { rsdp, placed } = loadAcpiTables(memory, { ...MACHINE, apicIds: Array.from({ length: 255 }, (_, id) => id) })
  expect(rsdp).toBe(0xe_0000)
  expect(new TextDecoder().decode(memory.read(rsdp, 8))).toBe('RSD PTR ')
  expect(placed.map(({ name }) => name)).toEqual(
    ['RSDP', 'FACS', 'DSDT', 'FACP', 'APIC', 'HPET', 'XSDT'].map((name) => `ACPI ${name}`),
  )
  for (const { start, size } of placed) expect(start + size).toBeLessThanOrEqual(MIB)
})

test('too many devices for the place', () => {
  const nodes = Array.from({ length: 3000 }, (_, index) => ({
    name: `device ${index}`,
    resources: [{ memory: 0, length: 1 }],
    acpi: { hid: 'QEMU0001' },
  }))
  const options = { ...MACHINE, nodes: [POWER, ...nodes] }
  expectRefusal(() => loadAcpiTables(ram(MIB), options), 'ERR_KVM_INVALID_ARGUMENT', /fewer devices/)
})

test('options that are none', () => {
  const { fixed } = POWER.acpi as { fixed: FixedHardware }
  const power = (changes: object) => ({ ...POWER, acpi: { fixed: { ...fixed, ...changes } } })
  const device = MACHINE.nodes[1]!
  const cases: unknown[] = [
    ...NOT_OBJECTS,
    { ...MACHINE, extra: 1 },
    ...[[], [255], [0, 0], [-1], 1, undefined].map((apicIds) => ({ ...MACHINE, apicIds })),
    ...[
      { id: -1, address: 0 },
      { id: 0, address: 2 ** 32 },
      { id: 0, address: 0, gsiBase: -1 },
    ].map((ioApic) => ({ ...MACHINE, ioApic })),
    ...[1, undefined, [], [POWER, { ...POWER, name: 'more' }]].map((nodes) => ({ ...MACHINE, nodes })),
    ...[
      power({ event: 0x11 }),
      power({ sleepTypes: { s5: 8 } }),
      power({ sleepTypes: undefined }),
      power({ reset: { offset: 0x14, value: 0 } }),
      power({ timer: null }),
      { ...POWER, resources: [POWER.resources[0]] },
    ].map((node) => ({ ...MACHINE, nodes: [node] })),
    ...[
      { ...device, name: '' },
      { ...device, acpi: null },
      { ...device, acpi: { hid: 'x' } },
      { ...device, acpi: { hid: 'PNP0501', name: 'TOOLONG' } },
      { ...device, acpi: { hid: 'PNP0501', name: '1ST' } },
      { ...device, acpi: { hid: 'PNP0501', uid: -1 } },
      { ...device, acpi: { hid: 'PNP0103', hpet: { id: 1, minimumTick: 0 } } },
      { ...device, resources: [{ gsi: 24, trigger: 'edge' }] },
      { ...device, resources: [{ gsi: 1, trigger: 'both' }] },
      { ...device, resources: [{ gsi: 'any' }] },
      { ...device, resources: [{ port: 0xffff, length: 2 }] },
      { ...device, resources: [{ port: 0x1000, length: 0x100 }] },
      { ...device, resources: [{ port: 1, memory: 1, length: 1 }] },
      { ...device, resources: [{ memory: 2 ** 52, length: 1 }] },
      { ...device, resources: [{ memory: 0, length: 0 }] },
    ].map((bad) => ({ ...MACHINE, nodes: [POWER, bad] })),
    { ...MACHINE, nodes: [POWER, device, { ...device, name: 'other' }] },
  ]
  for (const options of cases as never[]) expectRefusal(() => buildAcpiTables(options), 'ERR_KVM_INVALID_ARGUMENT')
  for (const address of [1, 32, -64, 2 ** 32]) {
    expectRefusal(() => buildAcpiTables(MACHINE, address), 'ERR_KVM_INVALID_ARGUMENT', /address/)
  }
})
