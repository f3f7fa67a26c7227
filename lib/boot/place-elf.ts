import { hex } from '../format.js'
import { FOUR_GIB } from './addresses.js'
import type { BootPlan } from './boot-plan.js'
import { imageError } from '../image/image-error.js'
import { type ElfImage, ENTRY_FAULT } from '../image/elf/parse.js'

/** Plans every segment at its physical address; what the file does not fill is zero. */
export function planSegments(plan: BootPlan, { segments }: ElfImage, what = 'segment'): void {
  for (const { index, content, paddr, memsz, fault } of segments) {
    plan.put({ name: `${what} ${index}`, start: paddr, content, size: memsz, zeroed: true, fault })
  }
}

/**
 * The physical address of the entry. `e_entry` is a virtual address (System V ABI); kernels that map themselves elsewhere
 * later, as Linux does, have their physical one there.
 */
export function physicalEntry({ segments, entry }: ElfImage): number {
  for (const { vaddr, paddr, memsz } of segments) {
    if (entry >= vaddr && entry < vaddr + BigInt(memsz)) return below4GiB(paddr + Number(entry - vaddr))
  }
  for (const { paddr, memsz } of segments) {
    if (entry >= BigInt(paddr) && entry < BigInt(paddr + memsz)) return below4GiB(Number(entry))
  }
  throw imageError(ENTRY_FAULT, `${hex(entry)} lies in no segment`, { entry })
}

/** Every protocol here enters on page tables that reach 4 GiB, or without any. */
function below4GiB(entry: number): number {
  if (entry < FOUR_GIB) return entry
  throw imageError(ENTRY_FAULT, `${hex(entry)} lies above 4 GiB`, { entry })
}
