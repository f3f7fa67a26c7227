import { loadFirmware } from '../boot/firmware.js'
import { type FlatOptions, loadFlat } from '../boot/flat.js'
import { readImage } from '../image/image-file.js'
import { kernelFormat, type KernelFormat, loadKernel } from '../boot/load.js'
import type { MemoryLayout } from '../arch/x86/memory-layout.js'
import type { BootModule } from '../boot/multiboot/modules.js'
import type { BootResult } from '../boot/types.js'
import { unpackKernel } from '../boot/linux/unpack-kernel.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { checkBoolean, checkOneOf, checkOptions, invalidArgument } from '../validate.js'
import { namingFiles } from './boot-files.js'

/** What a boot source needs to put a guest into memory. */
export interface BootContext {
  memory: DeviceMemory
  layout: MemoryLayout
  /** Where the ACPI RSDP is. */
  rsdp: number
  /** Maps read-only memory with these bytes. */
  mapRom: (at: number, bytes: Uint8Array) => void
}

/** Something that a machine can boot. Reading files comes first; `load` runs for each boot, and after a reset again. */
export interface BootSource {
  /** It is firmware, which asks QEMU's fw_cfg for what it needs to know. */
  readonly asksFwCfg?: boolean
  /** Reads and checks what it needs. */
  prepare(): Promise<{ load: (context: BootContext) => BootResult }>
}

/** A file's path, or its bytes. */
export type Image = string | Uint8Array

function bytesOf(name: string, image: Image): Promise<Uint8Array> {
  return image instanceof Uint8Array ? Promise.resolve(image) : readImage(image, { name })
}

const pathOf = (image: Image) => (typeof image === 'string' ? image : undefined)

const optional = (name: string, image: Image | undefined) =>
  image === undefined ? Promise.resolve(undefined) : bytesOf(name, image)

export interface LinuxOptions {
  /** A bzImage (`/boot/vmlinuz-…`), or an ELF `vmlinux`. */
  kernel: Image
  initrd?: Image
  /** The kernel's command line, for example `console=ttyS0`. */
  cmdline?: string
  /** By which protocol it is started. Default: `bzimage` for a bzImage; for ELF `pvh` where it has that entry, else `vmlinux`. */
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
      const named = namingFiles({ kernel: options.kernel, initrd: options.initrd })
      const kernel = unpack ? await named(() => unpackKernel(image)) : image
      const start = format ?? named(() => linuxFormat(kernel))
      return {
        load: ({ memory, layout, rsdp }) =>
          named(() => loadKernel(memory, { kernel, initrd, cmdline, format: start, e820: layout.e820, rsdp })),
      }
    },
  }
}

/** An ELF image of Linux without a PVH entry (CONFIG_PVH) starts by Linux's own protocol. */
function linuxFormat(kernel: Uint8Array): KernelFormat {
  const format = kernelFormat(kernel)
  return format === 'elf' ? 'vmlinux' : format
}

/** A file that a Multiboot kernel gets. The first word of its command line is `name`, or the file's path. */
export interface ModuleSource {
  image: Image
  name?: string
  cmdline?: string
}

export interface KernelSourceOptions {
  /** A Multiboot 1 or 2 kernel, or any other ELF or bzImage. */
  kernel: Image
  /** For Multiboot kernels: the first word of the command line. Default: the file's path, or `kernel`. */
  name?: string
  /** For Multiboot kernels: the words after that. */
  cmdline?: string
  /** Multiboot modules, in order. */
  modules?: readonly ModuleSource[]
  /** Default: found out by the image's magic numbers. */
  format?: KernelFormat
}

/** A kernel of any format that says itself how it starts. */
export function kernel(options: KernelSourceOptions): BootSource {
  checkOptions('options', options, ['kernel', 'name', 'cmdline', 'modules', 'format'])
  const { cmdline, format } = options
  if (options.modules !== undefined) checkModules(options.modules)
  const named = namingFiles({ kernel: options.kernel, modules: options.modules })
  return {
    async prepare() {
      const image = await bytesOf('kernel', options.kernel)
      const modules = options.modules && (await Promise.all(options.modules.map(readModule)))
      const name = options.name ?? pathOf(options.kernel)
      return {
        load: ({ memory, layout, rsdp }) =>
          named(() => loadKernel(memory, { kernel: image, name, cmdline, format, modules, e820: layout.e820, rsdp })),
      }
    },
  }
}

async function readModule({ image, name = pathOf(image), cmdline }: ModuleSource, index: number): Promise<BootModule> {
  return { bytes: await bytesOf(`module ${index}`, image), name, cmdline }
}

function checkModules(modules: Required<KernelSourceOptions>['modules']): void {
  if (!Array.isArray(modules)) throw invalidArgument('modules', modules, 'an array of modules')
  for (const [index, module] of modules.entries()) {
    checkOptions(`modules[${index}]`, module, ['image', 'name', 'cmdline'])
  }
}

/** A flat binary at an address, started in the mode that it wants. */
export function flat(options: Omit<FlatOptions, 'image' | 'e820'> & { image: Image }): BootSource {
  checkOptions('options', options, ['image', 'address', 'mode', 'entry'])
  return {
    async prepare() {
      const image = await bytesOf('image', options.image)
      const named = namingFiles({ kernel: options.image })
      return {
        load: ({ memory, layout }) => named(() => loadFlat(memory, { ...options, image, e820: layout.e820 })),
      }
    },
  }
}

/** Firmware, such as SeaBIOS, that ends at 4 GiB and starts at the reset vector. */
export function firmware(options: { image: Image }): BootSource {
  checkOptions('options', options, ['image'])
  return {
    asksFwCfg: true,
    async prepare() {
      const image = await bytesOf('firmware', options.image)
      return {
        load({ memory, mapRom }) {
          const { rom, ...result } = namingFiles({ kernel: options.image })(() => loadFirmware(memory, { image }))
          mapRom(rom.at, rom.bytes)
          return result
        },
      }
    },
  }
}
