/** How a kernel is started. */
export const FORMATS = ['auto', 'bzimage', 'vmlinux', 'pvh', 'multiboot', 'multiboot2', 'elf', 'flat'] as const

/** What `node-kvm run` is told to boot. */
export interface SourceOptions {
  kernel?: string
  initrd?: string
  append?: string
  firmware?: string
  format: (typeof FORMATS)[number]
}

/** What the command line says, checked. */
export interface RunOptions extends SourceOptions {
  cpus: number
  memory: string
  timeout?: number
  reboot: boolean
  symbols?: string
  traceExits?: true
  json?: true
}
