import { expect, test } from 'vitest'

import { buildMpTable, loadMpTable } from '../../../lib/platform/index.js'
import { expectRefusal } from '../../thrown.js'
import { MIB, ram } from '../boot/sparse-memory.js'
import { POWER } from './acpi/machine.js'

const OPTIONS = { apicIds: [0, 1], ioApic: { id: 2, address: 0xfec0_0000 }, nodes: [POWER] }
const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0) & 0xff

test('the pointer leads to the table, and both sum up to 0', () => {
  const memory = ram(MIB)
  const { start, size } = loadMpTable(memory, OPTIONS)
  expect(start).toBe(0x9_fc10)
  const pointer = memory.read(start, 16)
  expect([new TextDecoder().decode(pointer.subarray(0, 4)), pointer[8], pointer[9], sum(pointer)]).toEqual([
    '_MP_',
    1,
    4,
    0,
  ])
  const table = memory.read(memory.uint32(start + 4), size - 16)
  expect([new TextDecoder().decode(table.subarray(0, 4)), sum(table)]).toEqual(['PCMP', 0])
  expect(new DataView(table.buffer).getUint16(4, true)).toBe(table.length)
})

test('its entries, as many as the header says, end where the table does', () => {
  const bytes = buildMpTable(OPTIONS).subarray(16)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const entries: number[][] = []
  let at = 44
  for (let count = view.getUint16(34, true); count > 0; count--) {
    const size = bytes[at] === 0 ? 20 : 8
    entries.push([...bytes.subarray(at, at + size)])
    at += size
  }
  expect(at).toBe(bytes.length)
  const ofType = (type: number) => entries.filter(([first]) => first === type)
  expect(ofType(0).map((entry) => entry.slice(1, 4))).toEqual([
    [0, 0x14, 3],
    [1, 0x14, 1],
  ])
  expect(ofType(1)).toEqual([[1, 0, ...Buffer.from('ISA   ')]])
  expect(ofType(2)).toEqual([[2, 2, 0x11, 1, 0, 0, 0xc0, 0xfe]])
  const lines = ofType(3).map(([, type, flags, , , irq, , pin]) => ({ type, flags, irq, pin }))
  expect(lines).toHaveLength(15)
  expect(lines[0]).toEqual({ type: 0, flags: 0, irq: 0, pin: 2 })
  expect(lines.find(({ irq }) => irq === 9)).toEqual({ type: 0, flags: 0x0d, irq: 9, pin: 9 })
  expect(ofType(4).map(([, type, , , , , id, pin]) => [type, id, pin])).toEqual([
    [3, 0xff, 0],
    [1, 0xff, 1],
  ])
})

test('39 vCPUs fit into the KiB below 640 KiB, one more is refused', () => {
  const ids = (length: number) => ({ ...OPTIONS, apicIds: Array.from({ length }, (_, id) => id) })
  expect(buildMpTable(ids(39)).length).toBe(992)
  expectRefusal(() => buildMpTable(ids(40)), 'ERR_KVM_INVALID_ARGUMENT', /1008/)
  for (const options of [
    { ...OPTIONS, apicIds: [] },
    { ...OPTIONS, apicIds: [255] },
    { ...OPTIONS, nodes: [{}] },
    { ...OPTIONS, x: 1 },
  ] as never[]) {
    expectRefusal(() => buildMpTable(options), 'ERR_KVM_INVALID_ARGUMENT')
  }
})
