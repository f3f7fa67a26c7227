// Where cells are mapped, and what is refused there. What they do is in the files named after their kinds.
import { BankCell, type Cell, CounterCell, ValueCell } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import { expectRefusal, NOT_OBJECTS, NOT_WHOLE_NUMBERS } from '../thrown.js'
import { assemble, CLEAR_EAX, HLT, inDx, movAl, movDx, outAl, outDx } from './guests.js'
import { machine } from './machine.js'
import { runToHalt, until } from './threaded.js'

const PAGE_CELLS = 1024 // native/register_page.h
const BANK_CELLS = 16
const PORT = 0x100
const read = (port: number, width: 1 | 2 | 4 = 1) => [...CLEAR_EAX, ...movDx(port), ...inDx(width)]

test('what several cells of one mapping say holds for each, and their listener hears by offset', async () => {
  using m = machine(assemble(movAl(7), movDx(PORT + 2), outDx(1), outAl(9), read(PORT + 4, 2), HLT))
  const heard: number[][] = []
  const status = new ValueCell({ offset: 4, width: 2, value: 0x1234 })
  const command = new ValueCell({ offset: 2, write: 'post' })
  m.vm.mapCells({ port: PORT }, [status, command], (offset, data) => heard.push([offset, ...data]))
  await runToHalt(m.vcpu, () => undefined)
  expect([heard, m.vcpu.getRegs().rax]).toEqual([[[2, 7]], 0x1234n])
})

test('without a listener posted writes go nowhere', async () => {
  using m = machine(assemble(outAl(1), HLT))
  m.vm.mapCells({ port: 1 }, [new ValueCell({ offset: 0, write: 'post' })])
  await runToHalt(m.vcpu, () => expect.unreachable())
  expect(m.vcpu.stats!.posted).toBe(1)
})

describe('what is stored in a cell', () => {
  test('before it is mapped, holds where it is mapped then', async () => {
    using m = machine(assemble(read(PORT), outAl(1), HLT))
    const cell = new ValueCell({ offset: 0 })
    cell.value = 0x42n
    cell.write = 'post'
    m.vm.mapCells({ port: PORT }, [cell])
    await runToHalt(m.vcpu, () => undefined)
    expect([m.vcpu.getRegs().rax, m.vcpu.stats!.latched]).toEqual([0x42n, 1])
  })

  test('holds in every place, of every VM', async () => {
    const cell = new ValueCell({ offset: 0, value: 1 })
    const machines = [1, 2].map(() => machine(assemble(read(PORT), read(PORT + 1), HLT)))
    for (const { vm } of machines) {
      vm.mapCells({ port: PORT }, [cell])
      vm.mapCells({ port: PORT + 1 }, [cell])
    }
    cell.value = 5
    for (const m of machines) {
      await runToHalt(m.vcpu)
      expect([m.vcpu.getRegs().rax, m.vcpu.stats!.latched]).toEqual([5n, 2])
      m.vm.close()
      cell.value = 5n
    }
  })

  test('makes reads exit, and be answered again, while the guest runs', async () => {
    using m = machine(assemble(movDx(PORT), inDx(1), [0x3c, 3, 0x75, 0xfb], HLT)) // in; cmp al, 3; jne back; hlt
    const cell = new ValueCell({ offset: 0, value: 1 })
    m.vm.mapCells({ port: PORT }, [cell])
    let exits = 0
    const finished = runToHalt(m.vcpu, () => {
      exits++
      cell.value = 3
    })
    await until(() => m.vcpu.stats!.latched > 3)
    expect(exits).toBe(0)
    cell.value = undefined
    await finished
    expect([exits, cell.value]).toEqual([1, 3n])
  })

  test.each(['exit', 'post', 'lazy'] as const)('says what becomes of a write: %s', async (write) => {
    using m = machine(assemble(outAl(1), HLT))
    const cell = new ValueCell({ offset: 0, write: write === 'exit' ? 'post' : 'exit' })
    const heard: string[] = []
    m.vm.mapCells({ port: 1 }, [cell], () => heard.push('posted'))
    cell.write = write
    expect(cell.write).toBe(write)
    await runToHalt(m.vcpu, () => void heard.push('exit'))
    expect(heard).toEqual([write === 'exit' ? 'exit' : 'posted'])
  })

  test('stops posting in the middle of writes that the kernel gathers; all are heard', async () => {
    // out 1, al; jmp back
    using m = machine(assemble(movDx(1), outDx(1), [0xeb, 0xfd]))
    const cell = new ValueCell({ offset: 0, write: 'post' })
    let posted = 0
    let exits = 0
    m.vm.mapCells({ port: 1 }, [cell], () => posted++)
    const finished = m.vcpu.start(() => {
      if (++exits === 3) void m.vcpu.stop()
    })
    await until(() => posted > 5000)
    cell.write = 'exit'
    await finished
    expect([exits, posted]).toEqual([3, m.vcpu.stats!.posted])
  })
})

test('of a cell that answers whole accesses only, a part exits', async () => {
  using m = machine(assemble(read(PORT, 4), read(PORT, 2), read(PORT + 3), movDx(PORT), outDx(4), outDx(1), HLT))
  const cell = new ValueCell({ offset: 0, width: 4, whole: true, write: 'lazy', value: 7 })
  m.vm.mapCells({ port: PORT }, [cell])
  const exits: unknown[] = []
  await runToHalt(m.vcpu, (exit) => {
    if (exit.reason === 'io') exits.push([exit.direction, exit.port, exit.size])
  })
  expect(exits).toEqual([
    ['in', PORT, 2],
    ['in', PORT + 3, 1],
    ['out', PORT, 1],
  ])
  expect(m.vcpu.stats).toMatchObject({ latched: 1, posted: 1 })
})

describe('two cells at one address are refused, and the first one stays', () => {
  const cell = (offset: number, width: number) => new ValueCell({ offset, width, value: 1 })
  test.each([
    [0, 1],
    [0, 4],
    [3, 2],
    [1, 2],
    [-1, 2],
  ])('from %i on, %i bytes', async (offset, width) => {
    using m = machine(assemble(read(PORT), HLT))
    const first = m.vm.mapCells({ port: PORT }, [cell(0, 4)])
    const second = () => m.vm.mapCells({ port: PORT - 1 }, [cell(100, 1), cell(1 + offset, width)])
    expectRefusal(second, 'ERR_KVM_BUS_OVERLAP', /0x100 to 0x103/)
    await runToHalt(m.vcpu)
    expect(m.vcpu.stats!.latched).toBe(1)
    first.close()
    second().close()
  })

  test('also in one mapping; but not in the other space', () => {
    using m = machine(assemble(HLT))
    expectRefusal(() => m.vm.mapCells({ port: 0 }, [cell(0, 2), cell(1, 1)]), 'ERR_KVM_BUS_OVERLAP')
    m.vm.mapCells({ port: 0 }, [cell(0, 2), cell(2, 1)])
    m.vm.mapCells({ address: 0 }, [cell(0, 2), cell(2, 1)])
  })
})

describe('the page', () => {
  const values = (count: number) => Array.from({ length: count }, (_, offset) => new ValueCell({ offset }))

  test('is bounded: where it is full, nothing of a mapping is mapped, and what is closed makes room', () => {
    using m = machine(assemble(HLT))
    const all = m.vm.mapCells({ port: 0 }, values(PAGE_CELLS - 1))
    const more = () => m.vm.mapCells({ port: 0x1000 }, values(2))
    expectRefusal(more, 'ERR_KVM_CELL_LIMIT', /1024/)
    all.close()
    more()
    expectRefusal(() => m.vm.mapCells({ port: 0 }, values(PAGE_CELLS - 2)), 'ERR_KVM_CELL_LIMIT')
    m.vm.mapCells({ port: 0 }, values(PAGE_CELLS - 3))
  })

  test('has its cells again and again', () => {
    using m = machine(assemble(HLT))
    for (let round = 0; round < 3 * PAGE_CELLS; round++) {
      const bank = new BankCell({ offset: 0, mask: 0x7f })
      m.vm.mapCells({ port: 0 }, [bank]).close()
    }
    const banks = Math.floor((PAGE_CELLS - 1) / (1 + BANK_CELLS))
    for (let port = 0; port < banks; port++) m.vm.mapCells({ port }, [new BankCell({ offset: 0, mask: 0x7f })])
    expectRefusal(() => m.vm.mapCells({ port: 0x1000 }, [new BankCell({ offset: 0, mask: 1 })]), 'ERR_KVM_CELL_LIMIT')
  })

  test('closing twice gives nothing away that is another one’s', async () => {
    using m = machine(assemble(read(PORT), HLT))
    const first = m.vm.mapCells({ port: PORT }, values(1))
    first.close()
    m.vm.mapCells({ port: PORT }, [new ValueCell({ offset: 0, value: 9 })])
    first.close()
    m.vm.mapCells({ port: 0 }, values(PAGE_CELLS / 8))
    await runToHalt(m.vcpu)
    expect([m.vcpu.getRegs().rax, m.vcpu.stats!.latched]).toEqual([9n, 1])
  })
})

test('a cell may lie where the last address is, and no further', () => {
  using m = machine(assemble(HLT))
  const at = (place: unknown, offset: number, width: number) => () =>
    m.vm.mapCells(place as never, [new ValueCell({ offset, width })])
  at({ port: 0xffff }, 0, 1)()
  at({ port: 0 }, 0xfffe, 1)()
  at({ address: 2 ** 52 - 9 }, 1, 8)()
  for (const beyond of [
    at({ port: 0xffff }, 0, 2),
    at({ port: 0xffff }, 1, 1),
    at({ address: 2 ** 52 - 8 }, 1, 8),
    at({ port: 0x1_0000 }, 0, 1),
    at({ address: 2 ** 52 }, 0, 1),
    at({ port: 1, address: 1 }, 0, 1),
    at({}, 0, 1),
    at({ port: 1, width: 1 }, 0, 1),
  ]) {
    expectRefusal(beyond, 'ERR_KVM_INVALID_ARGUMENT')
  }
})

test('arguments', () => {
  using m = machine(assemble(HLT))
  const map = (at: unknown, cells: unknown = [], listener?: unknown) =>
    m.vm.mapCells(at as never, cells as never, listener as never)
  for (const value of NOT_OBJECTS) expectRefusal(() => map(value), 'ERR_KVM_INVALID_ARGUMENT', /address/)
  for (const value of NOT_WHOLE_NUMBERS) {
    expectRefusal(() => map({ port: value }), 'ERR_KVM_INVALID_ARGUMENT')
    expectRefusal(() => map({ address: value }), 'ERR_KVM_INVALID_ARGUMENT')
  }
  const cell: Cell = new CounterCell({ offset: 0, bits: 8, frequency: 1 })
  for (const cells of [null, 1, {}, cell, [{}], [cell, undefined]]) {
    expectRefusal(() => map({ port: 0 }, cells), 'ERR_KVM_INVALID_ARGUMENT', /cells/)
  }
  for (const listener of [null, 1, 'x', {}]) {
    expectRefusal(() => map({ port: 0 }, [cell], listener), 'ERR_KVM_INVALID_ARGUMENT', /listener/)
  }
  map({ port: 0 }, []).close()
  m.vm.close()
  expectRefusal(() => map({ port: 0 }, [cell]), 'ERR_KVM_CLOSED')
})
