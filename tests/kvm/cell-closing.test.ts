// Closing the mapping of a cell that answers reads, whatever it finds for them.
import type { Vm } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal } from '../thrown.js'
import { answer, count } from './cells.js'
import { assemble, HLT, inDx, jumpBack, movDx, outAl } from './guests.js'
import { machine } from './machine.js'
import { runToHalt, until } from './threaded.js'

const PORT = 0x100

/** A cell at that port, and what changes it. */
const CELLS = {
  'a value': (vm: Vm, port = PORT) => {
    const mapped = answer(vm, { port, width: 1 }, 1n)
    return { ...mapped, change: () => (mapped.cell.value = 2n) }
  },
  'a counter': (vm: Vm, port = PORT) => {
    const mapped = count(vm, { port, width: 1 }, { frequency: 1, bits: 8 })
    return {
      ...mapped,
      change: () => {
        mapped.cell.set(2n)
      },
    }
  },
}

describe.each(Object.entries(CELLS))('closing %s', (_name, map) => {
  test('makes later reads exit; changing it does nothing', async () => {
    using m = machine(assemble(movDx(PORT), inDx(1), outAl(1), inDx(1), HLT))
    const mapped = map(m.vm)
    const other = map(m.vm, PORT + 1)
    const seen: string[] = []
    await runToHalt(m.vcpu, (exit) => {
      if (exit.reason === 'io') seen.push(exit.direction)
      mapped.close()
      mapped.close()
      mapped[Symbol.dispose]()
    })
    expect(seen).toEqual(['out', 'in'])
    mapped.change()
    other.change()
  })

  test('of a closed VM', () => {
    using m = machine(assemble(HLT))
    const mapped = map(m.vm)
    m.vm.close()
    mapped.change()
    expectRefusal(() => map(m.vm), 'ERR_KVM_CLOSED')
    mapped.close()
  })

  test('while the guest reads it', async () => {
    using m = machine(assemble(movDx(PORT), inDx(1), jumpBack(1)))
    const mapped = map(m.vm)
    let exits = 0
    const finished = m.vcpu.start(() => {
      if (++exits === 3) void m.vcpu.stop()
    })
    await until(() => (m.vcpu.stats?.latched ?? 0) > 10)
    expect(exits).toBe(0)
    mapped.close()
    await finished
    expect(exits).toBe(3)
  })
})

test('a closed value keeps what was stored', () => {
  using m = machine(assemble(HLT))
  const mapped = answer(m.vm, { port: PORT, width: 1 }, 1n)
  mapped.close()
  mapped.cell.value = 2n
  expect(mapped.cell.value).toBe(2n)
})
