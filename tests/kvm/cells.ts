// One cell at its place in a VM, for tests of what vCPU threads do with it.
import { BankCell, type BusAddress, type CellMapping, CounterCell, ValueCell, type Vm } from 'node-kvm'
import type { BankCellOptions, CounterCellOptions, PostedListener } from 'node-kvm'

/** Writes into that range are posted. */
export const post = (
  vm: Vm,
  { length, lazy = false, ...at }: BusAddress & { length: number; lazy?: boolean },
  listener: PostedListener,
): CellMapping =>
  vm.mapCells(at, [new ValueCell({ offset: 0, width: length, write: lazy ? 'lazy' : 'post' })], listener)

/** Reads there find a value. */
export function answer(vm: Vm, { width, ...at }: BusAddress & { width: number }, value: bigint) {
  const cell = new ValueCell({ offset: 0, width, value })
  return { cell, ...vm.mapCells(at, [cell]) }
}

/** Reads there find a counter. */
export function count(
  vm: Vm,
  { width, ...at }: BusAddress & { width: number },
  counter: Omit<CounterCellOptions, 'offset' | 'width'>,
) {
  const cell = new CounterCell({ offset: 0, width, ...counter })
  return { cell, ...vm.mapCells(at, [cell]) }
}

/** An index register there, and its data register. */
export function choose(
  vm: Vm,
  { data, mask, ...at }: BusAddress & { data: number } & Pick<BankCellOptions, 'mask'>,
  listener: PostedListener,
) {
  const index = 'port' in at ? at.port : at.address
  const base = Math.min(index, data)
  const cell = new BankCell({ offset: data - base, mask })
  const chooser = new ValueCell({ offset: index - base, write: 'lazy', chooses: cell })
  const place = 'port' in at ? { port: base } : { address: base }
  return { cell, ...vm.mapCells(place, [chooser, cell], listener) }
}
