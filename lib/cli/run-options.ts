import type { DiskOption, NetOption } from './virtio-options.js'

/** How a kernel is started. */
export const FORMATS = ['auto', 'bzimage', 'vmlinux', 'pvh', 'multiboot', 'multiboot2', 'elf', 'flat'] as const

/** In which mode a flat binary starts. */
export const MODES = ['real', 'protected', 'long'] as const

/** What brings virtio devices to the guest. */
export const TRANSPORTS = ['mmio', 'pci'] as const

/** What the terminal is to the guest. */
export const CONSOLES = ['serial', 'virtio'] as const

/** What `node-kvm run` is told to boot. */
export interface SourceOptions {
  kernel?: string
  initrd?: string
  append?: string
  console: (typeof CONSOLES)[number]
  /** A path, and after a blank the module's command line. */
  module?: string[]
  firmware?: string
  format: (typeof FORMATS)[number]
  address?: number
  mode?: (typeof MODES)[number]
}

/** What a guest has around it, however it came to be. */
export interface GuestOptions {
  console: (typeof CONSOLES)[number]
  timeout?: number
  disk?: readonly DiskOption[]
  net?: readonly NetOption[]
  rng?: true
  /** Default: `mmio`; `pci` where firmware boots, which looks nowhere else, or where the machine had PCI. */
  virtio?: (typeof TRANSPORTS)[number]
  snapshotTo?: string
  symbols?: string
  success?: number
  traceExits?: true
  traceFile?: string
  json?: true
}

/** What the command line says of a guest that is booted, checked. */
export interface RunOptions extends SourceOptions, GuestOptions {
  cpus: number
  memory: string
  reboot: boolean
}
