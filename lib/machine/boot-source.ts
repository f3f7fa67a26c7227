import { loadFirmware } from '../boot/firmware.js'
import { type FlatOptions, loadFlat } from '../boot/flat.js'
import { readImage } from '../boot/image-file.js'
import { type KernelFormat, loadKernel } from '../boot/load.js'
import type { MemoryLayout } from '../boot/memory-layout.js'
import type { BootMemory, BootResult } from '../boot/types.js'
import { unpackKernel } from '../boot/unpack/unpack.js'
import { checkBoolean, checkOneOf, checkOptions, invalidArgument } from '../validate.js'

/** What a boot source needs to put a guest into memory. */
export interface BootContext {
  memory: BootMemory
  layout: MemoryLayout
  /** Where the ACPI RSDP is. */
  rsdp: number
  /** Maps read-only memory with these bytes. */
  mapRom: (at: number, bytes: Uint8Array) => void
}

/** Something that a machine can boot. Reading files comes first; `load` runs for each boot, and after a reset again. */
export interface BootSource {
  /** Reads and checks what it needs. */
  prepare(): Promise<{ load: (context: BootContext) => BootResult }>
}

/** A file's path, or its bytes. */
export type Image = string | Uint8Array

function bytesOf(name: string, image: Image): Promise<Uint8Array> {
  return image instanceof Uint8Array ? Promise.resolve(image) : readImage(image, { name })
}

const optional = (name: string, image: Image | undefined) =>
  image === undefined ? Promise.resolve(undefined) : bytesOf(name, image)

export interface LinuxOptions {
  /** A bzImage (`/boot/vmlinuz-…`), or an ELF `vmlinux`. */
  kernel: Image
  initrd?: Image
  /** The kernel's command line, for example `console=ttyS0`. */
  cmdline?: string
  /** By which protocol it is started. Default: `bzimage` for a bzImage; for ELF, `pvh` where it has that entry. */
  format?: 'bzimage' | 'vmlinux' | 'pvh'
  /** Unpacks a bzImage here instead of in the guest: faster where guests are slow. Its `format` is then that of the ELF. */
  unpack?: boolean
}

/** A Linux kernel. */
export function linux(options: LinuxOptions): BootSource {
  checkOptions('options', options, ['kernel', 'initrd', 'cmdline', 'format', 'unpack'])
  const { cmdline, format } = options
  if (format !== undefined) checkOneOf('format', format, ['bzimage', 'vmlinux', 'pvh'])
  const unpack = checkBoolean('unpack', options.unpack ?? false)
  return {
    async prepare() {
      const image = await bytesOf('kernel', options.kernel)
      const initrd = await optional('initrd', options.initrd)
      const kernel = unpack ? await unpackKernel(image) : image
      return {
        load: ({ memory, layout, rsdp }) =>
          loadKernel(memory, { kernel, initrd, cmdline, format, e820: layout.e820, rsdp }),
      }
    },
  }
}

export interface KernelSourceOptions {
  /** A Multiboot 1 or 2 kernel, or any other ELF or bzImage. */
  kernel: Image
  cmdline?: string
  /** Multiboot modules, in order. */
  modules?: readonly { image: Image; cmdline?: string }[]
  /** Default: found out by the image's magic numbers. */
  format?: KernelFormat
}

/** A kernel of any format that says itself how it starts. */
export function kernel(options: KernelSourceOptions): BootSource {
  checkOptions('options', options, ['kernel', 'cmdline', 'modules', 'format'])
  const { cmdline, format } = options
  if (options.modules !== undefined) checkModules(options.modules)
  return {
    async prepare() {
      const image = await bytesOf('kernel', options.kernel)
      const modules =
        options.modules &&
        (await Promise.all(
          options.modules.map(async (module, index) => ({
            bytes: await bytesOf(`module ${index}`, module.image),
            ...(module.cmdline === undefined ? {} : { cmdline: module.cmdline }),
          })),
        ))
      return {
        load: ({ memory, layout, rsdp }) =>
          loadKernel(memory, { kernel: image, cmdline, format, modules, e820: layout.e820, rsdp }),
      }
    },
  }
}

function checkModules(modules: Required<KernelSourceOptions>['modules']): void {
  if (!Array.isArray(modules)) throw invalidArgument('modules', modules, 'an array of modules')
  for (const [index, module] of modules.entries()) checkOptions(`modules[${index}]`, module, ['image', 'cmdline'])
}

/** A flat binary at an address, started in the mode that it wants. */
export function flat(options: Omit<FlatOptions, 'image' | 'e820'> & { image: Image }): BootSource {
  checkOptions('options', options, ['image', 'address', 'mode', 'entry'])
  return {
    async prepare() {
      const image = await bytesOf('image', options.image)
      return { load: ({ memory, layout }) => loadFlat(memory, { ...options, image, e820: layout.e820 }) }
    },
  }
}

/** Firmware, such as SeaBIOS, that ends at 4 GiB and starts at the reset vector. */
export function firmware(options: { image: Image }): BootSource {
  checkOptions('options', options, ['image'])
  return {
    async prepare() {
      const image = await bytesOf('firmware', options.image)
      return {
        load({ memory, mapRom }) {
          const { rom, ...result } = loadFirmware(memory, { image })
          mapRom(rom.at, rom.bytes)
          return result
        },
      }
    },
  }
}
