import { checkBytes, checkInteger, checkOptions } from '../../validate.js'
import { imageError } from '../../image/image-error.js'
import type { E820Entry } from '../../arch/x86/memory-layout.js'

export interface KernelOptions {
  /** The image's bytes. */
  kernel: Uint8Array
  initrd?: Uint8Array | undefined
  cmdline?: string | undefined
  /** The memory map for the guest. Default: every writable region is RAM, and a PC's BIOS area is reserved. */
  e820?: readonly E820Entry[] | undefined
  /** Where the ACPI RSDP is, for kernels that are told. */
  rsdp?: number | undefined
}

export interface CheckedKernelOptions {
  kernel: Uint8Array
  initrd: Uint8Array | undefined
  cmdline: string
  e820: readonly E820Entry[] | undefined
  /** 0: none. */
  rsdp: number
}

export function checkKernelOptions(options: KernelOptions): CheckedKernelOptions {
  checkOptions('options', options, ['kernel', 'initrd', 'cmdline', 'e820', 'rsdp'])
  const kernel = checkBytes('kernel', options.kernel)
  const initrd = options.initrd === undefined ? undefined : checkBytes('initrd', options.initrd)
  if (initrd?.length === 0) throw imageError({ image: 'initrd', field: 'size' }, 'the file is empty')
  const rsdp = options.rsdp === undefined ? 0 : checkInteger('rsdp', options.rsdp, 1, 0xffff_ffff)
  return { kernel, initrd, cmdline: options.cmdline ?? '', e820: options.e820, rsdp }
}
