import { BankCell, Cell, ValueCell } from '../bus/cells.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { lazy } from '../lazy.js'
import { invalidArgument } from '../validate.js'
import { binding } from './binding.js'
import { type BusAddress, type Place, place } from './bus-address.js'
import { type Context, currentContext } from './context.js'
import type { VmFd } from './fd.js'
import { PageCell, type PageMemory } from './page-cell.js'

/**
 * Takes a write that the guest made a moment ago: `offset` from where the cells are mapped, and 1 to 8 bytes that are valid
 * during the call only.
 */
export type PostedListener = (offset: number, data: Uint8Array) => void

/** Cells at their place in a VM; see `vm.mapCells()`. */
export interface CellMapping {
  /** Later accesses exit as usual; posted writes on their way are dropped. Closing again does nothing. */
  close(): void
  [Symbol.dispose](): void
}

/** A {@link PostedListener}, where it was given, and where its cells are mapped. */
export interface Listener {
  readonly call: PostedListener
  readonly context: Context
  readonly start: number
}

/** Addresses that are a cell's. */
interface Row {
  readonly space: number
  readonly start: number
  readonly cell: Cell
  readonly page: PageCell
  readonly listener: number
}

const { cells: PAGE_CELLS, bankCells: BANK_CELLS } = binding.registerCell

/** The register page of one VM, and which cells of it lie where. They take effect on vCPUs that have a thread. */
export class RegisterPage {
  readonly listeners = new Map<number, Listener>()
  readonly #fd: VmFd
  #memory: PageMemory | undefined
  // Sorted by address; they never overlap.
  #rows: readonly Row[] = []
  #lastListener = 0
  // The first one is nobody's. Made for a VM that maps cells, like the page.
  readonly #taken = lazy(() => new Uint8Array(PAGE_CELLS).fill(1, 0, 1))
  #next = 0

  constructor(fd: VmFd) {
    this.#fd = fd
  }

  map(at: BusAddress, cells: readonly Cell[], listener: PostedListener = () => undefined): CellMapping {
    this.#fd.checkOpen()
    const where = place('address', at)
    if (!Array.isArray(cells) || !cells.every((cell) => cell instanceof Cell)) {
      throw invalidArgument('cells', cells, 'an array of cells')
    }
    if (typeof listener !== 'function') throw invalidArgument('listener', listener, 'a function')
    const places = cells.map((cell) => ({ cell, space: where.space, start: startOf(where, cell) }))
    this.#checkFree(places)
    const id = ++this.#lastListener
    const rows: Row[] = []
    const close = () => {
      this.#remove(rows.splice(0))
      this.listeners.delete(id)
    }
    try {
      for (const each of places) rows.push({ ...each, page: this.#take(each.cell), listener: id })
    } catch (error) {
      close()
      throw error
    }
    for (const { cell, page } of rows) cell.addPlace(page)
    connect(rows)
    this.listeners.set(id, { call: listener, context: currentContext(), start: where.start })
    this.#decode([...this.#rows, ...rows].sort(inOrder))
    return { close, [Symbol.dispose]: close }
  }

  /** The VM closes: the cells are mapped here no more. */
  close(): void {
    for (const { cell, page } of this.#rows) cell.removePlace(page)
    this.#rows = []
  }

  #remove(rows: readonly Row[]): void {
    const left = this.#rows.filter((row) => !rows.includes(row))
    if (left.length !== this.#rows.length) this.#decode(left)
    for (const { cell, page } of rows) {
      cell.removePlace(page)
      this.#free(page)
    }
  }

  #decode(rows: readonly Row[]): void {
    this.#rows = rows
    const numbers = rows.flatMap(({ space, start, cell, page, listener }) => [
      ...[space, start, cell.width],
      ...[page.number, listener],
    ])
    this.#fd.native.decode(Float64Array.from(numbers))
  }

  #checkFree(wanted: readonly Pick<Row, 'space' | 'start' | 'cell'>[]): void {
    const all = [...this.#rows, ...wanted].sort(inOrder)
    for (const [index, row] of all.entries()) {
      const next = all[index + 1]
      if (next === undefined || next.space !== row.space || row.start + row.cell.width <= next.start) continue
      const range = (of: typeof next) => `${hex(of.start)} to ${hex(of.start + of.cell.width - 1)}`
      throw new KvmError('ERR_KVM_BUS_OVERLAP', `a cell at ${range(next)} would overlap one at ${range(row)}`, {
        operands: { cells: [row, next].map(({ start, cell }) => ({ start, width: cell.width })) },
      })
    }
  }

  #take(cell: Cell): PageCell {
    const bank = cell instanceof BankCell ? this.#allocate(BANK_CELLS) : 0
    const page = new PageCell(this.#open(), this.#allocate(1), bank, () => {
      // The kernel gathers writes no longer.
      this.#decode(this.#rows)
    })
    page.setWhole(cell.whole)
    return page
  }

  /** Neighbours, of those that have been free for longest: a thread can have been about to look at one. */
  #allocate(count: number): number {
    const taken = this.#taken()
    for (let tried = 0; tried < PAGE_CELLS; tried++) {
      const first = (this.#next + tried) % PAGE_CELLS
      const end = first + count
      if (end > PAGE_CELLS || taken.subarray(first, end).some((cell) => cell !== 0)) continue
      taken.fill(1, first, end)
      this.#next = end
      return first
    }
    throw new KvmError(
      'ERR_KVM_CELL_LIMIT',
      `the VM has no room for ${count} more of its ${PAGE_CELLS} cells: close what is mapped and not needed`,
      { operands: { count, cells: PAGE_CELLS } },
    )
  }

  #free({ number, bank }: PageCell): void {
    const taken = this.#taken()
    taken[number] = 0
    if (bank !== 0) taken.fill(0, bank, bank + BANK_CELLS)
  }

  #open(): PageMemory {
    if (this.#memory === undefined) {
      const buffer = this.#fd.native.registerPage()
      this.#memory = {
        bytes: new Uint8Array(buffer),
        words: new Uint32Array(buffer),
        longs: new BigUint64Array(buffer),
      }
    }
    return this.#memory
  }
}

function inOrder(a: Pick<Row, 'space' | 'start'>, b: Pick<Row, 'space' | 'start'>): number {
  return a.space - b.space || a.start - b.start
}

function startOf({ start, end }: Place, { offset, width }: Cell): number {
  if (start + offset + width > end) {
    throw invalidArgument('cells', { offset, width }, `below ${hex(end)} from ${hex(start)} on`)
  }
  return start + offset
}

/** Index registers and the data registers in which they choose. */
function connect(rows: readonly Row[]): void {
  for (const { cell, page } of rows) {
    if (!(cell instanceof ValueCell)) continue
    const data = rows.find((row) => row.cell === cell.chooses)
    if (data !== undefined) page.chooseIn(data.page)
  }
}
