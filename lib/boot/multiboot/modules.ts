import { checkBytes, checkOptions, invalidArgument } from '../../validate.js'
import { BOOT_INFO_ADDRESS, FOUR_GIB, PAGE } from '../addresses.js'
import type { BootPlan } from '../boot-plan.js'
import { encodeCommandLine } from '../command-line.js'
import { imageError } from '../../image/image-error.js'
import { type E820Entry, HIGH_MEMORY_START } from '../../arch/x86/memory-layout.js'

/** A file that the kernel gets beside itself. */
export interface BootModule {
  bytes: Uint8Array
  /** The first word of its command line. Default: `module`. */
  name?: string | undefined
  /** The words after that. */
  cmdline?: string | undefined
}

export interface MultibootOptions {
  kernel: Uint8Array
  /** The first word of the command line, which kernels pass over as C programs do. Default: `kernel`. */
  name?: string | undefined
  /** The words after that. */
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
const INFO_ROOM = 0x1_0000
const MAX_MODULES = 256

export function checkMultibootOptions(options: MultibootOptions) {
  checkOptions('options', options, ['kernel', 'name', 'cmdline', 'modules', 'e820'])
  const kernel = checkBytes('kernel', options.kernel)
  const cmdline = encodeWords('command line', options.name ?? 'kernel', options.cmdline)
  const modules = (options.modules ?? []).map((module, index) => {
    checkOptions(`modules[${index}]`, module, ['bytes', 'name', 'cmdline'])
    const bytes = checkBytes(`modules[${index}].bytes`, module.bytes)
    return { bytes, cmdline: encodeWords(`module ${index}`, module.name ?? 'module', module.cmdline) }
  })
  if (modules.length > MAX_MODULES) {
    throw imageError({ image: 'modules', field: 'count' }, `${modules.length} modules; ${MAX_MODULES} are supported`)
  }
  return { kernel, cmdline, modules, e820: options.e820 }
}

/** The image's name comes first, as QEMU and GRUB Legacy have it. */
function encodeWords(image: string, name: string, cmdline: string | undefined): Uint8Array {
  if (typeof name !== 'string') throw invalidArgument('name', name, 'a string')
  if (cmdline !== undefined && typeof cmdline !== 'string') throw invalidArgument('cmdline', cmdline, 'a string')
  const text = cmdline === undefined || cmdline === '' ? name : `${name} ${cmdline}`
  return encodeCommandLine(text, INFO_ROOM, { image, field: 'command line' })
}

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

/**
 * Plans the boot information where nothing else is. It has addresses within itself: `build` gets its own, and returns as
 * many bytes for any.
 */
export function planInfo(plan: BootPlan, build: (address: number) => Uint8Array): number {
  const fault = { image: 'Multiboot information', field: 'size' }
  const content = build(0)
  if (content.length > INFO_ROOM) {
    throw imageError(fault, `${content.length} bytes, with all command lines; ${INFO_ROOM} are there`)
  }
  const address = plan.place({ name: 'Multiboot information', from: BOOT_INFO_ADDRESS, align: PAGE, content, fault })
  content.set(build(address))
  return address
}

export const LOADER_NAME = new TextEncoder().encode('node-kvm\0')
