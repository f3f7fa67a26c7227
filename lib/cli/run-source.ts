import type { Command } from 'commander'
import { kernelFormat, type KernelFormat, readImage } from '../boot/index.js'
import { DebugConsole } from '../devices/index.js'
import { type BootSource, firmware, flat, kernel as kernelSource, linux, type MachineDevice } from '../machine/index.js'
import type { SourceOptions } from './run-options.js'

/** What a boot sector gets. */
const FLAT = { address: 0x7c00, mode: 'real' } as const
const DEFAULT_CMDLINE = 'console=ttyS0'
/** Where firmware writes its log (SeaBIOS, OVMF). */
const FIRMWARE_LOG_PORT = 0x402

/** What is booted, and the devices that it needs beside those of every machine. */
export interface Source {
  boot: BootSource
  devices: MachineDevice[]
}

/** Reports a wrong combination of options, or returns what they mean. */
export async function readSource(
  positional: string | undefined,
  options: SourceOptions,
  output: (bytes: Uint8Array) => void,
  command: Command,
): Promise<Source> {
  if (options.kernel !== undefined && positional !== undefined) command.error('error: two kernels are given')
  const kernel = options.kernel ?? positional
  if (options.firmware !== undefined) {
    const others = { 'a kernel': kernel, '--initrd': options.initrd, '--append': options.append }
    const [other] = Object.entries(others).find(([, value]) => value !== undefined) ?? []
    if (other !== undefined) command.error(`error: --firmware boots by itself: it goes without ${other}`)
    if (options.format !== 'auto') command.error('error: --firmware goes without --format')
    return { boot: firmware({ image: options.firmware }), devices: [firmwareLog(output)] }
  }
  if (kernel === undefined) command.error('error: which kernel? Give --kernel FILE, or --firmware FILE.')
  return { boot: await kernelBoot(kernel, options, command), devices: [] }
}

async function kernelBoot(path: string, options: SourceOptions, command: Command): Promise<BootSource> {
  const { initrd, append } = options
  if (options.format === 'flat') {
    if (initrd !== undefined || append !== undefined) command.error('error: a flat binary has no --initrd and --append')
    return flat({ image: path, ...FLAT })
  }
  const image = await readImage(path, { name: 'kernel' })
  const format: KernelFormat = options.format === 'auto' ? formatOf(image) : options.format
  switch (format) {
    case 'elf':
      if (initrd !== undefined || append !== undefined)
        command.error('error: an ELF image has no --initrd and --append')
      return kernelSource({ kernel: image, format })
    case 'multiboot':
    case 'multiboot2':
      return kernelSource({
        kernel: image,
        format,
        ...(append === undefined ? {} : { cmdline: append }),
        ...(initrd === undefined ? {} : { modules: [{ image: initrd }] }),
      })
    default:
      return linux({
        kernel: image,
        format,
        cmdline: append ?? DEFAULT_CMDLINE,
        ...(initrd === undefined ? {} : { initrd }),
      })
  }
}

/** What has no header of its own starts as Linux does: other ELF images do not notice that boot_params is there, too. */
function formatOf(image: Uint8Array): KernelFormat {
  const format = kernelFormat(image)
  return format === 'elf' ? 'vmlinux' : format
}

function firmwareLog(output: (bytes: Uint8Array) => void): MachineDevice {
  return {
    attach: (host) => {
      host.mapPorts(FIRMWARE_LOG_PORT, 1, new DebugConsole({ output }))
    },
  }
}
