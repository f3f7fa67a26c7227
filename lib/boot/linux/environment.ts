import { BOOT_INFO_ADDRESS, GDT_ADDRESS, PAGE_TABLES_ADDRESS } from '../addresses.js'
import type { BootPlan } from '../boot-plan.js'
import { longMode } from '../entry-state.js'
import { identityPageTables } from '../page-tables.js'
import { buildGdt, FLAT_CODE_64 } from '../segments.js'
import type { EntryState } from '../types.js'
import { BOOT_PARAMS_SIZE } from './boot-params.js'

const fault = { image: 'guest memory', field: 'low memory' }

/** Plans what the 64-bit boot protocol wants around the kernel: page tables, a GDT, and room for boot_params. */
export function planEnvironment(plan: BootPlan, bootParams: Uint8Array): void {
  plan.put({ name: 'GDT', start: GDT_ADDRESS, content: buildGdt(FLAT_CODE_64), fault })
  plan.put({ name: 'page tables', start: PAGE_TABLES_ADDRESS, content: identityPageTables(), fault })
  plan.put({ name: 'boot_params', start: BOOT_INFO_ADDRESS, content: bootParams, size: BOOT_PARAMS_SIZE, fault })
}

/** boot.rst, "64-bit Boot Protocol": paging on, flat segments, RSI = boot_params, interrupts off. */
export function enterLinux(entry: number): EntryState {
  return longMode({ rip: BigInt(entry), rsi: BigInt(BOOT_INFO_ADDRESS) })
}
