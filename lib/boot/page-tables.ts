import { PAGE, PAGE_TABLES_ADDRESS } from './addresses.js'

// Page table entries (Intel SDM vol. 3A, 4.5).
const PRESENT = 1n << 0n
const WRITABLE = 1n << 1n
const LARGE = 1n << 7n

const ENTRIES = 512
const LARGE_PAGE = 2n * 1024n * 1024n
/** One page directory maps 1 GiB; four map everything that 32 bits can name. */
const DIRECTORIES = 4

export const PAGE_TABLES_SIZE = (2 + DIRECTORIES) * PAGE

/** 4-level page tables that map the first 4 GiB onto themselves, in pages of 2 MiB. */
export function identityPageTables(): Uint8Array {
  const tables = new DataView(new ArrayBuffer(PAGE_TABLES_SIZE))
  const address = (table: number) => BigInt(PAGE_TABLES_ADDRESS + table * PAGE)
  const set = (table: number, index: number, entry: bigint) => {
    tables.setBigUint64(table * PAGE + index * 8, entry | PRESENT | WRITABLE, true)
  }
  const [PML4, PDPT, FIRST_DIRECTORY] = [0, 1, 2] as const
  set(PML4, 0, address(PDPT))
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    set(PDPT, directory, address(FIRST_DIRECTORY + directory))
    for (let entry = 0; entry < ENTRIES; entry++) {
      set(FIRST_DIRECTORY + directory, entry, (BigInt(directory * ENTRIES + entry) * LARGE_PAGE) | LARGE)
    }
  }
  return new Uint8Array(tables.buffer)
}
