import { expect, test } from 'vitest'

import { loadBiosDataArea } from '../../../lib/platform/index.js'
import { MIB, ram } from '../boot/sparse-memory.js'
import { fullPlatform, POWER } from './acpi/machine.js'

const serialLines = (memory: ReturnType<typeof ram>) => [
  ...[0, 1, 2, 3].map((index) => memory.uint16(0x400 + 2 * index)),
  (memory.uint16(0x410) >> 9) & 7,
]

test('the serial lines that the tables name, COM1 first, and how many', () => {
  const memory = ram(MIB)
  loadBiosDataArea(memory, { nodes: fullPlatform().nodes.toReversed() })
  expect(serialLines(memory)).toEqual([0x3f8, 0x2f8, 0x3e8, 0x2e8, 4])
})

test('none, where there are none', () => {
  for (const options of [{}, { nodes: [POWER] }]) {
    const memory = ram(MIB)
    expect(loadBiosDataArea(memory, options)).toEqual([{ name: 'BIOS data area', start: 0x400, size: 0x100 }])
    expect(serialLines(memory)).toEqual([0, 0, 0, 0, 0])
  }
})
