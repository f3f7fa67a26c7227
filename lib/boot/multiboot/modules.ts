import { checkBytes, checkOptions } from '../../validate.js'
import { BOOT_INFO_ADDRESS, COMMAND_LINE_ADDRESS, FOUR_GIB, PAGE } from '../addresses.js'
import type { BootPlan } from '../boot-plan.js'
import { encodeCommandLine } from '../command-line.js'
import { imageError } from '../image-error.js'
import { type E820Entry, HIGH_MEMORY_START } from '../memory-layout.js'

/** A file that the kernel gets beside itself. */
export interface BootModule {
  bytes: Uint8Array
  /** By custom a name and arguments. */
  cmdline?: string
}

export interface MultibootOptions {
  kernel: Uint8Array
  cmdline?: string | undefined
  modules?: readonly BootModule[] | undefined
  e820?: readonly E820Entry[] | undefined
}

export interface PlacedModule {
  start: number
  end: number
  cmdline: Uint8Array
}

/** What the boot information, with all its strings, may take. */
export const INFO_ROOM = COMMAND_LINE_ADDRESS - BOOT_INFO_ADDRESS
const MAX_MODULES = 256

export function checkMultibootOptions(options: MultibootOptions) {
  checkOptions('options', options, ['kernel', 'cmdline', 'modules', 'e820'])
  const kernel = checkBytes('kernel', options.kernel)
  const cmdline = encodeString('command line', options.cmdline ?? '')
  const modules = (options.modules ?? []).map((module, index) => {
    checkOptions(`modules[${index}]`, module, ['bytes', 'cmdline'])
    const bytes = checkBytes(`modules[${index}].bytes`, module.bytes)
    return { bytes, cmdline: encodeString(`module ${index}`, module.cmdline ?? '') }
  })
  if (modules.length > MAX_MODULES) {
    throw imageError({ image: 'modules', field: 'count' }, `${modules.length} modules; ${MAX_MODULES} are supported`)
  }
  return { kernel, cmdline, modules, e820: options.e820 }
}

const encodeString = (image: string, text: string) =>
  encodeCommandLine(text, INFO_ROOM, { image, field: 'command line' })

/** Plans the modules right above the kernel, each at a page, where a kernel with little of its memory mapped sees them. */
export function planModules(
  plan: BootPlan,
  modules: readonly { bytes: Uint8Array; cmdline: Uint8Array }[],
): PlacedModule[] {
  let from = HIGH_MEMORY_START
  return modules.map(({ bytes, cmdline }, index) => {
    const size = bytes.length
    const fault = { image: `module ${index}`, field: 'size' }
    const start = plan.findLowest({ size, align: PAGE, from, below: FOUR_GIB })
    if (start === undefined) throw imageError(fault, `its ${size} bytes do not fit into RAM below 4 GiB`, { size })
    plan.put({ name: `module ${index}`, start, content: bytes, fault })
    from = start + size
    return { start, end: start + size, cmdline }
  })
}

/** KiB of RAM from 0 on, and from 1 MiB up to the first hole: what a PC's BIOS would say. */
export function memorySizes(e820: readonly E820Entry[]): { lower: number; upper: number } {
  const from = (start: number) => e820.find((entry) => entry.type === 'ram' && entry.start === start)?.size ?? 0
  return { lower: Math.min(640, Math.floor(from(0) / 1024)), upper: Math.floor(from(HIGH_MEMORY_START) / 1024) }
}

/** Plans the boot information, whose size is only known now. */
export function planInfo(plan: BootPlan, content: Uint8Array): void {
  const fault = { image: 'Multiboot information', field: 'size' }
  if (content.length > INFO_ROOM) {
    throw imageError(fault, `${content.length} bytes, with all command lines; ${INFO_ROOM} are there`)
  }
  plan.put({ name: 'Multiboot information', start: BOOT_INFO_ADDRESS, content, fault })
}

export const LOADER_NAME = new TextEncoder().encode('node-kvm\0')
