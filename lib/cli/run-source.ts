import type { Command } from 'commander'
import { kernelFormat, type KernelFormat, readImage } from '../boot/index.js'
import { DebugConsole } from '../devices/index.js'
import { KvmError } from '../index.js'
import { type BootSource, firmware, flat, kernel as kernelSource, linux, type DeviceNode } from '../machine/index.js'
import type { SourceOptions } from './run-options.js'
import { type BootFile, checkFormat } from './source-options.js'
import { adviceFor, isKernel } from './unbootable.js'

/** What a boot sector gets. */
const BOOT_SECTOR = { address: 0x7c00, mode: 'real' } as const
const DEFAULT_CMDLINE = { serial: 'console=ttyS0', virtio: 'console=hvc0' } as const
/** Where firmware writes its log (SeaBIOS, OVMF). */
const FIRMWARE_LOG_PORT = 0x402

/** Reads and boots what the options name, once the machine has checked its own options. */
export function bootSource(file: BootFile, options: SourceOptions, command: Command): BootSource {
  return {
    async prepare() {
      const source =
        file.kind === 'firmware' ? await firmwareBoot(file.path) : await kernelBoot(file.path, options, command)
      const { load } = await source.prepare()
      return {
        load(context) {
          try {
            return load(context)
          } catch (error) {
            throw named(error, file.path)
          }
        },
      }
    },
  }
}

async function firmwareBoot(path: string): Promise<BootSource> {
  const image = await readImage(path, { name: 'firmware' })
  if (isKernel(image)) throw refuse(path, 'firmware', 'it is a kernel: give it with --kernel instead of --firmware')
  return firmware({ image })
}

async function kernelBoot(path: string, options: SourceOptions, command: Command): Promise<BootSource> {
  const { initrd, append } = options
  const image = await readImage(path, { name: 'kernel' })
  if (options.format === 'flat') {
    const { address = BOOT_SECTOR.address, mode = BOOT_SECTOR.mode } = options
    return flat({ image, address, mode })
  }
  const format = options.format === 'auto' ? formatOf(path, image) : options.format
  checkFormat(format, options, command)
  const cmdline = append === undefined ? {} : { cmdline: append }
  switch (format) {
    case 'elf':
      return kernelSource({ kernel: image, format })
    case 'multiboot':
    case 'multiboot2':
      return kernelSource({ kernel: image, name: path, format, ...cmdline, modules: modulesOf(options) })
    default:
      return linux({
        kernel: image,
        format,
        cmdline: DEFAULT_CMDLINE[options.console],
        ...cmdline,
        ...(initrd === undefined ? {} : { initrd }),
      })
  }
}

/** What has no header of its own starts as Linux does: other ELF images do not notice that boot_params is there, too. */
function formatOf(path: string, image: Uint8Array): KernelFormat {
  try {
    const format = kernelFormat(image)
    return format === 'elf' ? 'vmlinux' : format
  } catch (error) {
    if (!(error instanceof KvmError) || error.operands['field'] !== 'format') throw named(error, path)
    throw refuse(path, 'kernel', `it has no bzImage, ELF or Multiboot header; ${adviceFor(path, image)}`, error)
  }
}

/** The initial RAM disk is the first. */
function modulesOf({ initrd, module = [] }: SourceOptions): { image: string; cmdline?: string }[] {
  const first = initrd === undefined ? [] : [{ image: initrd }]
  return [...first, ...module.map(splitModule)]
}

function splitModule(text: string): { image: string; cmdline?: string } {
  const [, image = text, cmdline] = /^(\S+)\s+(.*)$/s.exec(text) ?? []
  return cmdline === undefined ? { image } : { image, cmdline }
}

/** The same error with the file's name in its message, if it has none. */
export function named(error: unknown, path: string): unknown {
  if (!(error instanceof KvmError) || error.code !== 'ERR_KVM_BOOT_IMAGE' || 'path' in error.operands) return error
  return new KvmError(error.code, `${path}: ${error.message}`, { operands: { ...error.operands, path }, cause: error })
}

function refuse(path: string, image: string, problem: string, cause?: unknown): KvmError {
  return new KvmError('ERR_KVM_BOOT_IMAGE', `${image} ${path}: ${problem}`, { operands: { image, path }, cause })
}

/** By what name a machine knows it. */
export const FIRMWARE_LOG = 'firmware-log'

/** Beside the serial line, for firmware. `output` copies the bytes. */
export function firmwareLog(output: (bytes: Uint8Array) => void): DeviceNode {
  return {
    name: FIRMWARE_LOG,
    device: new DebugConsole({ output }),
    resources: [{ port: FIRMWARE_LOG_PORT, length: 1 }],
  }
}
