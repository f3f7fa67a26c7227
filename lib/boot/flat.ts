import type { EntryState } from '../arch/x86/registers.js'
import { hex } from '../format.js'
import { checkBytes, checkInteger, checkOneOf, checkOptions } from '../validate.js'
import { FOUR_GIB } from './addresses.js'
import { BootPlan } from './boot-plan.js'
import { parseElf } from '../image/elf/parse.js'
import { physicalEntry, planSegments } from './place-elf.js'
import { planLongMode, planProtectedMode, realMode } from './entry-state.js'
import { imageError, type ImageFault } from '../image/image-error.js'
import type { E820Entry } from '../arch/x86/memory-layout.js'
import type { LoadMemory } from '../memory/placed.js'
import type { BootResult } from './types.js'

/** `real`: 16 bits. `protected`: 32 bits, flat, no paging. `long`: 64 bits, the first 4 GiB mapped one to one. */
export type StartMode = 'real' | 'protected' | 'long'

export interface FlatOptions {
  image: Uint8Array
  /** Where it is loaded. */
  address: number
  mode: StartMode
  /** Where it starts; default: at its first byte. */
  entry?: number
  e820?: readonly E820Entry[]
}

/** Where real mode ends. */
const MIB = 0x10_0000
const SEGMENT_SIZE = 0x1_0000

/** Loads a binary without any header. Throws `ERR_KVM_BOOT_IMAGE` when it does not fit. */
export function loadFlat(memory: LoadMemory, options: FlatOptions): BootResult {
  checkOptions('options', options, ['image', 'address', 'mode', 'entry', 'e820'])
  const content = checkBytes('image', options.image)
  const mode = checkOneOf('mode', options.mode, ['real', 'protected', 'long'])
  const address = checkInteger('address', options.address, 0, FOUR_GIB - 1)
  const entry = checkInteger('entry', options.entry ?? address, 0, FOUR_GIB - 1)
  const fault: ImageFault = { image: 'flat binary', field: 'address' }
  if (content.length === 0) throw imageError({ ...fault, field: 'size' }, 'the file is empty')
  if (entry < address || entry >= address + content.length) {
    throw imageError({ ...fault, field: 'entry' }, `${hex(entry)} lies outside the binary`, { entry })
  }
  if (mode === 'real' && entry >= MIB) {
    throw imageError({ ...fault, field: 'entry' }, `real mode cannot start at ${hex(entry)}: it ends at 1 MiB`, {
      entry,
    })
  }
  const plan = new BootPlan(memory, options.e820)
  plan.put({ name: 'flat binary', start: address, content, fault })
  return plan.commit(planEntry(plan, mode, entry))
}

/** Loads an ELF executable by its physical addresses, and starts it in the mode of its class: 32 or 64 bits. */
export function loadElf(
  memory: LoadMemory,
  options: { image: Uint8Array; e820?: readonly E820Entry[] | undefined },
): BootResult {
  checkOptions('options', options, ['image', 'e820'])
  const elf = parseElf(checkBytes('image', options.image))
  const mode = elf.elfClass === 64 ? 'long' : 'protected'
  const entry = physicalEntry(elf)
  const plan = new BootPlan(memory, options.e820)
  planSegments(plan, elf)
  return plan.commit(planEntry(plan, mode, entry))
}

function planEntry(plan: BootPlan, mode: StartMode, entry: number): EntryState {
  if (mode === 'long') return planLongMode(plan)({ rip: BigInt(entry) })
  if (mode === 'protected') return planProtectedMode(plan)({ rip: BigInt(entry) })
  const offset = entry % SEGMENT_SIZE
  return realMode((entry - offset) / 16, offset)
}
