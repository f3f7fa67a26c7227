import { LARGE, PRESENT, WRITABLE } from '../arch/x86/page-table-entry.js'
import { PAGE } from './addresses.js'

// All entries fit into 32 bits here: the upper half of each is 0.
const TABLE = Number(PRESENT | WRITABLE)
const LARGE_PAGE_ENTRY = Number(PRESENT | WRITABLE | LARGE)

const ENTRY_SIZE = 8
const ENTRIES = PAGE / ENTRY_SIZE
const LARGE_PAGE = 2 * 1024 * 1024
/** One page directory maps 1 GiB; four map everything that 32 bits can name. */
const DIRECTORIES = 4

export const PAGE_TABLES_SIZE = (2 + DIRECTORIES) * PAGE

/** 4-level page tables for `address` that map the first 4 GiB onto themselves, in pages of 2 MiB. */
export function identityPageTables(address: number): Uint8Array {
  const bytes = new Uint8Array(PAGE_TABLES_SIZE)
  const tables = new DataView(bytes.buffer)
  const [PML4, PDPT, FIRST_DIRECTORY] = [0, 1, 2] as const
  const table = (index: number) => address + index * PAGE + TABLE
  tables.setUint32(PML4 * PAGE, table(PDPT), true)
  for (let index = 0; index < DIRECTORIES; index++) {
    tables.setUint32(PDPT * PAGE + index * ENTRY_SIZE, table(FIRST_DIRECTORY + index), true)
  }
  // The directories follow each other: one after the other they are a list of all large pages.
  for (let page = 0; page < DIRECTORIES * ENTRIES; page++) {
    const entry = page * LARGE_PAGE + LARGE_PAGE_ENTRY
    tables.setUint32(FIRST_DIRECTORY * PAGE + page * ENTRY_SIZE, entry, true)
  }
  return bytes
}
