import { checkBytes, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { detectFormat } from './detect-format.js'
import { loadElf } from './flat.js'
import { imageError } from '../image/image-error.js'
import { loadBzImage } from './linux/bzimage.js'
import { loadVmlinux } from './linux/vmlinux.js'
import type { E820Entry } from '../arch/x86/memory-layout.js'
import type { LoadMemory } from '../memory/placed.js'
import { type BootModule } from './multiboot/modules.js'
import { loadMultiboot } from './multiboot/multiboot1.js'
import { loadMultiboot2 } from './multiboot/multiboot2.js'
import { hasPvhEntry, loadPvh } from './pvh.js'
import type { BootResult } from './types.js'

/** Images that say themselves how they start. Flat binaries and firmware have loaders of their own. */
export type KernelFormat = 'bzimage' | 'vmlinux' | 'pvh' | 'elf' | 'multiboot' | 'multiboot2'
const FORMATS: readonly KernelFormat[] = ['bzimage', 'vmlinux', 'pvh', 'elf', 'multiboot', 'multiboot2']

export interface LoadKernelOptions {
  kernel: Uint8Array
  /** Default: found out by the image's magic numbers. An ELF image with a PVH entry is started there. */
  format?: KernelFormat | undefined
  /** For Multiboot kernels only: the first word of the command line. Default: `kernel`. */
  name?: string | undefined
  cmdline?: string | undefined
  /** To Multiboot kernels, the first module. */
  initrd?: Uint8Array | undefined
  /** For Multiboot kernels only. */
  modules?: readonly BootModule[] | undefined
  e820?: readonly E820Entry[] | undefined
  rsdp?: number | undefined
}

/** Loads a kernel of any format that has a header. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything. */
export function loadKernel(memory: LoadMemory, options: LoadKernelOptions): BootResult & { format: KernelFormat } {
  checkOptions('options', options, ['kernel', 'format', 'name', 'cmdline', 'initrd', 'modules', 'e820', 'rsdp'])
  const kernel = checkBytes('kernel', options.kernel)
  const format = options.format === undefined ? kernelFormat(kernel) : checkOneOf('format', options.format, FORMATS)
  return { format, ...load(memory, format, options) }
}

/** As what a kernel is loaded when nobody says. Throws `ERR_KVM_BOOT_IMAGE` when it has no header. */
export function kernelFormat(kernel: Uint8Array): KernelFormat {
  const found = detectFormat(kernel)
  if (found === 'elf') return hasPvhEntry(kernel) ? 'pvh' : 'elf'
  if (found !== 'unknown') return found
  const problem = 'no bzImage, ELF or Multiboot header; a flat binary needs its address and mode'
  throw imageError({ image: 'kernel', field: 'format' }, problem, { length: kernel.length })
}

function load(memory: LoadMemory, format: KernelFormat, options: LoadKernelOptions): BootResult {
  const { kernel, name, cmdline, initrd, modules, e820, rsdp } = options
  if (format === 'multiboot' || format === 'multiboot2') {
    const all = [...(initrd === undefined ? [] : [{ bytes: initrd, name: 'initrd' }]), ...(modules ?? [])]
    const loader = format === 'multiboot' ? loadMultiboot : loadMultiboot2
    return loader(memory, { kernel, name, cmdline, modules: all, e820 })
  }
  if (modules !== undefined) throw invalidArgument('modules', modules, `left out: ${format} has none`)
  if (format === 'elf') {
    if (initrd !== undefined) throw invalidArgument('initrd', initrd, 'left out: a plain ELF image gets none')
    if (cmdline !== undefined) throw invalidArgument('cmdline', cmdline, 'left out: a plain ELF image gets none')
    return loadElf(memory, { image: kernel, e820 })
  }
  const loader = { bzimage: loadBzImage, vmlinux: loadVmlinux, pvh: loadPvh }[format]
  return loader(memory, { kernel, initrd, cmdline, e820, rsdp })
}
