import type { Command } from 'commander'
import type { SourceOptions } from './run-options.js'

/** What is booted. */
export interface BootFile {
  kind: 'kernel' | 'firmware'
  path: string
}

/** Options that not everything that is booted has. */
const OPTIONS = ['initrd', 'append', 'module', 'address', 'mode'] as const
type PartOption = (typeof OPTIONS)[number]

/** How what is booted is called, and which of them it has. */
const LINUX = { name: 'a Linux kernel', has: ['initrd', 'append'] }
const MULTIBOOT = { name: 'a Multiboot kernel', has: ['initrd', 'append', 'module'] }
const KINDS: Record<Exclude<SourceOptions['format'], 'auto'>, { name: string; has: string[] }> = {
  bzimage: LINUX,
  vmlinux: LINUX,
  pvh: LINUX,
  multiboot: MULTIBOOT,
  multiboot2: MULTIBOOT,
  elf: { name: 'an ELF image', has: [] },
  flat: { name: 'a flat binary', has: ['address', 'mode'] },
}

/** Refuses a wrong combination of options, before any file is read. */
export function checkSource(positional: string | undefined, options: SourceOptions, command: Command): BootFile {
  const { kernel = positional, firmware, format } = options
  if (options.kernel !== undefined && positional !== undefined) command.error('error: two kernels are given')
  if (firmware === undefined) {
    if (kernel === undefined) command.error('error: which kernel? Give --kernel FILE, or --firmware FILE.')
    checkFormat(format, options, command)
    return { kind: 'kernel', path: kernel }
  }
  const given = partsOf(options)[0]
  const without = kernel !== undefined ? 'a kernel' : format !== 'auto' ? '--format' : given && `--${given}`
  if (without !== undefined) command.error(`error: --firmware boots by itself: it goes without ${without}`)
  return { kind: 'firmware', path: firmware }
}

/** Refuses options that a format does not have. Of `auto` it is not known yet what it has. */
export function checkFormat(format: SourceOptions['format'], options: SourceOptions, command: Command): void {
  for (const option of partsOf(options)) {
    if (format === 'auto') {
      if (KINDS.flat.has.includes(option))
        command.error(`error: --${option} is for a flat binary: say --format flat, too`)
    } else if (!KINDS[format].has.includes(option)) command.error(`error: ${KINDS[format].name} has no --${option}`)
  }
}

const partsOf = (options: SourceOptions): PartOption[] => OPTIONS.filter((option) => options[option] !== undefined)
