import { describe, expect, test } from 'vitest'

import { type HardwareNode, type NodeResource, Platform } from '../../../lib/platform/index.js'
import { LINES, levelTriggeredIsaLines } from '../../../lib/platform/interrupt-lines.js'
import { expectRefusal } from '../../thrown.js'

const node = (name: string, ...resources: NodeResource[]): HardwareNode => ({ name, resources })

describe('places', () => {
  test('what says its place has it; the rest is chosen, aligned, each once', () => {
    const platform = new Platform()
    const { resources } = platform.add(
      node(
        'disk',
        { memory: 0xfed0_0000, length: 0x400 },
        { memory: 'any', length: 0x1800 },
        { memory: 'any', length: 1, offset: 0x2000 },
        { port: 'any', length: 5 },
        { port: 'any', length: 1 },
        { gsi: 'any' },
        { gsi: 'any', trigger: 'edge' },
      ),
    )
    expect(resources).toEqual([
      { memory: 0xfed0_0000, length: 0x400 },
      { memory: 0xd000_0000, length: 0x1800 },
      { memory: 0xd000_2000, length: 1, offset: 0x2000 },
      { port: 0x1000, length: 5 },
      { port: 0x1005, length: 1 },
      { gsi: 16, trigger: 'level' },
      { gsi: 17, trigger: 'edge' },
    ])
    expect(platform.nodes.map(({ name }) => name)).toEqual(['disk'])
  })

  test('of several, the order does not matter to those that say their place', () => {
    const any = node('any', { port: 'any', length: 8 }, { gsi: 'any' })
    const fixed = node('fixed', { port: 0x1000, length: 8 }, { gsi: 16 })
    for (const nodes of [
      [any, fixed],
      [fixed, any],
    ]) {
      const platform = new Platform()
      platform.addAll(nodes)
      const places = new Map(platform.nodes.map(({ name, resources }) => [name, resources[0]?.port]))
      expect([places.get('fixed'), places.get('any')]).toEqual([0x1000, 0x1008])
      expect(platform.nodes.find(({ name }) => name === 'any')?.resources[1]?.gsi).toBe(17)
    }
  })

  test('members of the node that are not of the platform stay', () => {
    const device = { read: () => undefined, write: () => undefined }
    expect(new Platform().add({ ...node('a'), device })).toEqual({ name: 'a', resources: [], device })
  })

  test('windows and lines that a machine chooses otherwise', () => {
    const platform = new Platform({
      ports: { start: 0xc000, end: 0xc010 },
      memory: { start: 0xe000_0000, end: 0xe000_2000 },
      lines: [5],
    })
    expect(platform.add(node('a', { port: 'any', length: 8 }, { memory: 'any', length: 8 }, { gsi: 'any' }))).toEqual(
      node('a', { port: 0xc000, length: 8 }, { memory: 0xe000_0000, length: 8 }, { gsi: 5, trigger: 'edge' }),
    )
  })
})

describe('what is taken twice', () => {
  test.each([
    ['ports', { port: 0x3f8, length: 8 }, { port: 0x3ff, length: 1 }, /port 0x3ff to 0x3ff: a has port 0x3f8 to 0x3ff/],
    ['memory', { memory: 0x1000, length: 8 }, { memory: 0xff8, length: 9 }, /memory 0xff8 to 0x1000: a has memory/],
  ] as [string, NodeResource, NodeResource, RegExp][])('%s: an error that names both', (_, first, second, message) => {
    const platform = new Platform()
    platform.add(node('a', first))
    const error = expectRefusal(() => platform.add(node('b', second)), 'ERR_KVM_BUS_OVERLAP', message)
    expect(error.operands).toMatchObject({ node: 'b', other: 'a' })
    expectRefusal(() => platform.add(node('c', { port: 1, length: 2 }, { port: 2, length: 1 })), 'ERR_KVM_BUS_OVERLAP')
  })

  test('next to each other is not twice, and ports are no memory', () => {
    const platform = new Platform()
    for (const [index, resource] of [
      { port: 8, length: 8 },
      { port: 0, length: 8 },
      { port: 16, length: 1 },
      { memory: 8, length: 8 },
    ].entries()) {
      platform.add(node(`${index}`, resource as NodeResource))
    }
    expect(platform.nodes).toHaveLength(4)
  })

  test('interrupt lines may be shared, if all see them the same way', () => {
    const platform = new Platform()
    platform.addAll([node('com1', { gsi: 4 }), node('com3', { gsi: 4 }), node('disk', { gsi: 20 })])
    expect(platform.add(node('net', { gsi: 20, trigger: 'level' })).resources).toEqual([{ gsi: 20, trigger: 'level' }])
    const refused = [
      () => platform.add(node('x', { gsi: 4, trigger: 'level' })),
      () => platform.add(node('x', { gsi: 20, trigger: 'edge' })),
    ]
    for (const call of refused) {
      const error = expectRefusal(call, 'ERR_KVM_LINE_CONFLICT')
      expect(error.message).toMatch(/x wants interrupt line .*(com1|disk) has it/)
    }
  })

  test('names, in the machine and in the tables', () => {
    const platform = new Platform()
    const named = (name: string, acpi: string) => ({ ...node(name), acpi: { hid: 'PNP0501', name: acpi } })
    platform.add(named('a', 'COM'))
    expectRefusal(() => platform.add(node('a')), 'ERR_KVM_INVALID_ARGUMENT', /name/)
    expectRefusal(() => platform.add(named('b', 'COM_')), 'ERR_KVM_INVALID_ARGUMENT', /acpi.name of b/)
    expectRefusal(() => platform.addAll([named('b', 'X'), named('c', 'X')]), 'ERR_KVM_INVALID_ARGUMENT')
  })

  test('changes nothing, for none of those that came together', () => {
    const platform = new Platform()
    platform.add(node('a', { port: 0, length: 8 }))
    const many = [node('b', { port: 8, length: 8 }, { gsi: 'any' }), node('c', { port: 7, length: 1 })]
    expectRefusal(() => platform.addAll(many), 'ERR_KVM_BUS_OVERLAP')
    expect(platform.nodes.map(({ name }) => name)).toEqual(['a'])
    expect(platform.add(node('b', { port: 8, length: 8 }, { gsi: 'any' })).resources[1]).toMatchObject({ gsi: 16 })
  })
})

describe('what gives way', () => {
  const open = { ...node('open', { port: 0x3f8, length: 8 }, { port: 0x2f8, length: 8 }), yields: true }
  const serial = node('serial', { port: 0x3f8, length: 8 })

  test('goes as a whole when something else comes to a part of it, and before', () => {
    for (const nodes of [
      [open, serial],
      [serial, open],
    ]) {
      const platform = new Platform()
      for (const each of nodes) platform.add(each)
      expect(platform.nodes.map(({ name }) => name)).toEqual(['serial'])
      platform.add(node('other', { port: 0x2f8, length: 8 }))
    }
  })

  test('stays otherwise, and what may be anywhere is put elsewhere', () => {
    const platform = new Platform({ ports: { start: 0x3f8, end: 0x408 } })
    platform.add(open)
    expect(platform.add(node('any', { port: 'any', length: 8 })).resources).toEqual([{ port: 0x400, length: 8 }])
    expect(platform.nodes.map(({ name }) => name)).toEqual(['open', 'any'])
  })
})

describe('nothing left', () => {
  test.each([
    [{ port: 'any', length: 0x1001 }, /4097 ports/],
    [{ memory: 'any', length: 0x1000_0001 }, /bytes of memory/],
  ] as [NodeResource, RegExp][])('%j', (resource, message) => {
    expectRefusal(() => new Platform().add(node('big', resource)), 'ERR_KVM_NO_RESOURCE', message)
  })

  test('of the lines: eight of the I/O APIC alone, three of the ISA bus', () => {
    const platform = new Platform()
    const lines = Array.from({ length: 11 }, (_, index) => platform.add(node(`${index}`, { gsi: 'any' })).resources[0])
    expect(lines.map((line) => line?.gsi)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 5, 10, 11])
    expectRefusal(() => platform.add(node('one more', { gsi: 'any' })), 'ERR_KVM_NO_RESOURCE', /share/)
  })
})

test("the lines of a PC: the timer's at the I/O APIC's pin 2, and which of the ISA bus are level-triggered", () => {
  expect(LINES).toHaveLength(23)
  expect(LINES[0]).toEqual({ gsi: 0, pin: 2, isa: true })
  expect(LINES.find(({ gsi }) => gsi === 15)).toEqual({ gsi: 15, pin: 15, isa: true })
  expect(LINES.at(-1)).toEqual({ gsi: 23, pin: 23, isa: false })
  expect(LINES.some(({ gsi }) => gsi === 2)).toBe(false)
  const platform = new Platform()
  platform.addAll([node('a', { gsi: 4 }), node('b', { gsi: 9, trigger: 'level' }), node('c', { gsi: 20 })])
  expect(levelTriggeredIsaLines(platform.nodes)).toBe(1 << 9)
})

test('nodes that are none', () => {
  const platform = new Platform()
  for (const bad of [
    ...[null, 1, {}, { name: '', resources: [] }, { name: 'a' }, { name: 'a', resources: [1] }],
    ...[{ port: 'some', length: 1 }, { gsi: -1 }, { gsi: 24 }, { port: 0, length: 0 }, { length: 1 }].map(
      (resource) => ({
        name: 'a',
        resources: [resource],
      }),
    ),
    { name: 'a', resources: [], acpi: 1 },
    { name: 'a', resources: [], yields: 1 },
    { name: 'a', resources: [], extra: 1 },
  ] as never[]) {
    expectRefusal(() => platform.add(bad), 'ERR_KVM_INVALID_ARGUMENT')
  }
})
