import { ADDRESS, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE } from '../arch/x86/page-table-entry.js'
import { CR0, CR4, EFER } from '../arch/x86/register-bits.js'
import type { PagingState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { checkUint64 } from '../validate.js'

/** PSE-36: bits 20 to 13 of a 4 MiB page's entry are bits 39 to 32 of its address (Intel SDM vol. 3A, 4.3). */
const PSE36_BITS = 0x1f_e000n
const PSE36_SHIFT = 19n
const ADDRESS_32 = 0xffff_ffffn

/** A linear address that has memory behind it, or whatever lies at its physical address. */
export interface MappedAddress {
  mapped: true
  /** Guest physical. */
  address: number
  /** In bytes; without paging 4096. */
  pageSize: number
  writable: boolean
  /** Whether privilege level 3 may use it. */
  user: boolean
  executable: boolean
}

/** A linear address that the guest has not mapped. */
export interface UnmappedAddress {
  mapped: false
  /** What stopped the walk: `PD entry 3 at 0x4018 is not present`. */
  problem: string
}

export type Translation = MappedAddress | UnmappedAddress

/** One level of paging structures. */
interface Level {
  name: string
  /** The lowest bit of the linear address that selects an entry. */
  shift: bigint
  /** How many bits select one. */
  bits: bigint
  /** Whether an entry can map a page itself. */
  large: boolean
  /** Whether entries restrict access: PAE's PDPT does not. */
  permissions: boolean
}

const level = (name: string, shift: number, bits: number, large = false, permissions = true): Level => ({
  name,
  shift: BigInt(shift),
  bits: BigInt(bits),
  large,
  permissions,
})

const PT = level('PT', 12, 9, true)
const PD = level('PD', 21, 9, true)
const LEVELS_4 = [level('PML4', 39, 9), level('PDPT', 30, 9, true), PD, PT]
const LEVELS_5 = [level('PML5', 48, 9), ...LEVELS_4]
const LEVELS_PAE = [level('PDPT', 30, 2, false, false), PD, PT]
const LEVELS_32 = [level('PD', 22, 10), level('PT', 12, 10, true)]
const LEVELS_32_PSE = [level('PD', 22, 10, true), level('PT', 12, 10, true)]

/** The paging mode that the registers ask for. */
function structures({ cr3, cr4, efer }: PagingState): {
  levels: Level[]
  root: bigint
  entrySize: 4 | 8
  bits: number
} {
  if ((efer & EFER.LMA) !== 0n) {
    const five = (cr4 & CR4.LA57) !== 0n
    return { levels: five ? LEVELS_5 : LEVELS_4, root: cr3 & ADDRESS, entrySize: 8, bits: five ? 57 : 48 }
  }
  if ((cr4 & CR4.PAE) !== 0n) return { levels: LEVELS_PAE, root: cr3 & 0xffff_ffe0n, entrySize: 8, bits: 32 }
  const pse = (cr4 & CR4.PSE) !== 0n
  return { levels: pse ? LEVELS_32_PSE : LEVELS_32, root: cr3 & 0xffff_f000n, entrySize: 4, bits: 32 }
}

/**
 * Walks the guest's page tables in software (Intel SDM vol. 3A, chapter 4): without paging, and with 32-bit, PAE, 4-level
 * and 5-level paging. Reserved bits are not checked, and nothing is marked as accessed. Outside of long mode only the
 * low 32 bits of the address count.
 */
export function translate(memory: DeviceMemory, paging: PagingState, linear: bigint): Translation {
  checkUint64('linear', linear)
  const long = (paging.efer & EFER.LMA) !== 0n
  const address = long ? linear : linear & ADDRESS_32
  if ((paging.cr0 & CR0.PG) === 0n) {
    const physical = Number(address & ADDRESS_32)
    return { mapped: true, address: physical, pageSize: 4096, writable: true, user: true, executable: true }
  }
  const { levels, root, entrySize, bits } = structures(paging)
  if (long && BigInt.asUintN(64, BigInt.asIntN(bits, address)) !== address) {
    return { mapped: false, problem: `${hex(address)} is not canonical` }
  }
  const noExecute = (paging.efer & EFER.NXE) !== 0n ? NO_EXECUTE : 0n
  let table = root
  let permissions = WRITABLE | USER
  let executable = true
  for (const { name, shift, bits: indexBits, large, permissions: restricts } of levels) {
    const index = Number(BigInt.asUintN(Number(indexBits), address >> shift))
    const at = Number(table) + index * entrySize
    const entry = readEntry(memory, at, entrySize)
    const where = `${name} entry ${index} at ${hex(at)}`
    if (entry === undefined) return { mapped: false, problem: `${where} lies outside of memory` }
    if ((entry & PRESENT) === 0n) return { mapped: false, problem: `${where} is not present` }
    if (restricts) permissions &= entry
    executable &&= (entry & noExecute) === 0n
    if (large && (shift === 12n || (entry & LARGE) !== 0n)) {
      const offset = BigInt.asUintN(Number(shift), address)
      return {
        mapped: true,
        address: Number(pageBase(entry, shift, entrySize) | offset),
        pageSize: Number(1n << shift),
        writable: (permissions & WRITABLE) !== 0n,
        user: (permissions & USER) !== 0n,
        executable,
      }
    }
    table = entry & (entrySize === 4 ? 0xffff_f000n : ADDRESS)
  }
  throw new Error('the last level maps pages')
}

function pageBase(entry: bigint, shift: bigint, entrySize: 4 | 8): bigint {
  const base = ((entry & ADDRESS) >> shift) << shift
  return entrySize === 4 && shift === 22n ? base | ((entry & PSE36_BITS) << PSE36_SHIFT) : base
}

function readEntry(memory: DeviceMemory, at: number, size: 4 | 8): bigint | undefined {
  const bytes = memory.read(at, size)
  if (bytes === undefined) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  return size === 4 ? BigInt(view.getUint32(0, true)) : view.getBigUint64(0, true)
}
