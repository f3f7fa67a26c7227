import { readFile } from 'node:fs/promises'

import { loadBzImage } from '../boot/linux/bzimage.js'
import type { MemoryLayout } from '../boot/memory-layout.js'
import type { BootMemory, BootResult } from '../boot/types.js'

/** What a boot source needs to put a guest into memory. */
export interface BootContext {
  memory: BootMemory
  layout: MemoryLayout
  /** Where the ACPI RSDP is. */
  rsdp: number | undefined
}

/** Something that a machine can boot. Reading files comes first; `load` runs for each boot, and after a reset again. */
export interface BootSource {
  /** Reads and checks what it needs. */
  prepare(): Promise<{ load: (context: BootContext) => BootResult }>
}

/** A file's path, or its bytes. */
export type Image = string | URL | Uint8Array

async function bytesOf(image: Image): Promise<Uint8Array> {
  return image instanceof Uint8Array ? image : readFile(image)
}

export interface LinuxOptions {
  /** A bzImage (`/boot/vmlinuz-…`). */
  kernel: Image
  initrd?: Image
  /** The kernel's command line, for example `console=ttyS0`. */
  cmdline?: string
}

/** A Linux kernel, by the 64-bit boot protocol. */
export function linux(options: LinuxOptions): BootSource {
  return {
    async prepare() {
      const [kernel, initrd] = await Promise.all([
        bytesOf(options.kernel),
        options.initrd === undefined ? undefined : bytesOf(options.initrd),
      ])
      return {
        load: ({ memory, layout, rsdp }) =>
          loadBzImage(memory, { kernel, initrd, cmdline: options.cmdline, e820: layout.e820, rsdp }),
      }
    },
  }
}
