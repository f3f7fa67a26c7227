import { CR0, CR4, EFER, RFLAGS_FIXED } from '../arch/x86/register-bits.js'
import type { EntryRegs, EntrySregs, EntryState, SegmentState } from '../arch/x86/registers.js'
import { GDT_ADDRESS, PAGE, PAGE_TABLES_ADDRESS } from './addresses.js'
import type { BootPlan } from './boot-plan.js'
import { identityPageTables, PAGE_TABLES_SIZE } from './page-tables.js'
import { buildGdt, FLAT_CODE_32, FLAT_CODE_64, FLAT_DATA, NO_IDT, NO_LDT, TASK } from './segments.js'

const DATA = { ds: FLAT_DATA, es: FLAT_DATA, fs: FLAT_DATA, gs: FLAT_DATA, ss: FLAT_DATA }
const TABLES = { tr: TASK, ldt: NO_LDT, idt: NO_IDT }

const copy = <T>(value: T): T => structuredClone(value)
const fault = { image: 'guest memory', field: 'low memory' }

/** With these registers: the state in which the guest enters. */
type Enter = (regs: EntryRegs) => EntryState

/** Plans the GDT for `code`. To be called when the kernel has its place. */
function planGdt(plan: BootPlan, code: SegmentState): EntrySregs['gdt'] {
  const content = buildGdt(code)
  const base = plan.place({ name: 'GDT', from: GDT_ADDRESS, align: 8, content, fault })
  return { base: BigInt(base), limit: content.length - 1 }
}

/** Plans what 64-bit mode needs beside the kernel: a GDT, and page tables that map the first 4 GiB one to one. */
export function planLongMode(plan: BootPlan): Enter {
  const gdt = planGdt(plan, FLAT_CODE_64)
  const content = new Uint8Array(PAGE_TABLES_SIZE)
  const tables = plan.place({ name: 'page tables', from: PAGE_TABLES_ADDRESS, align: PAGE, content, fault })
  content.set(identityPageTables(tables))
  return (regs) => ({
    regs: { rflags: RFLAGS_FIXED, ...regs },
    sregs: copy({
      cs: FLAT_CODE_64,
      ...DATA,
      ...TABLES,
      gdt,
      cr0: CR0.PE | CR0.ET | CR0.NE | CR0.PG,
      cr3: BigInt(tables),
      cr4: CR4.PAE,
      efer: EFER.LME | EFER.LMA,
    }),
  })
}

/** Plans what 32-bit protected mode needs beside the kernel: a GDT. Flat, without paging. */
export function planProtectedMode(plan: BootPlan): Enter {
  const gdt = planGdt(plan, FLAT_CODE_32)
  return (regs) => ({
    regs: { rflags: RFLAGS_FIXED, ...regs },
    sregs: copy({ cs: FLAT_CODE_32, ...DATA, ...TABLES, gdt, cr0: CR0.PE | CR0.ET, cr3: 0n, cr4: 0n, efer: 0n }),
  })
}

/** A real mode segment: Intel's virtual-8086 rules (SDM vol. 3C, 26.3.1.2) want this limit, and the base from the selector. */
function realModeSegment(segment: number, type: number): SegmentState {
  const base = BigInt(segment) << 4n
  return { ...FLAT_DATA, base, limit: 0xffff, selector: segment, type, db: 0, g: 0 }
}

/** Real mode at `segment:offset`, the other segments 0, no stack. */
export function realMode(segment: number, offset: number, regs: EntryRegs = {}): EntryState {
  const data = realModeSegment(0, FLAT_DATA.type)
  return {
    regs: { rflags: RFLAGS_FIXED, rip: BigInt(offset), ...regs },
    sregs: copy({
      cs: realModeSegment(segment, FLAT_CODE_32.type),
      ...{ ds: data, es: data, fs: data, gs: data, ss: data },
      ...{ tr: { ...TASK, selector: 0, limit: 0xffff }, ldt: { ...NO_LDT, unusable: 0, present: 1, limit: 0xffff } },
      gdt: { base: 0n, limit: 0xffff },
      idt: { base: 0n, limit: 0x3ff },
      cr0: CR0.ET,
      cr3: 0n,
      cr4: 0n,
      efer: 0n,
    }),
  }
}

/** The reset vector (Intel SDM vol. 3A, table 10-1): real mode, 16 bytes below 4 GiB. */
export function resetVector(): EntryState {
  const state = realMode(0xf000, 0xfff0)
  state.sregs.cs.base = 0xffff_0000n
  return state
}
