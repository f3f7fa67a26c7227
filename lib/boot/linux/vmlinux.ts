import { BootPlan } from '../boot-plan.js'
import { parseElf } from '../../image/elf/parse.js'
import type { LoadMemory } from '../../memory/placed.js'
import { physicalEntry, planSegments } from '../place-elf.js'
import type { BootResult } from '../types.js'
import { checkKernelOptions, type KernelOptions } from './options.js'
import {
  BOOT_FLAG,
  BOOT_FLAG_VALUE,
  CMDLINE_SIZE,
  HEADER,
  HEADER_END,
  HEADER_MAGIC,
  INITRD_ADDR_MAX,
  KERNEL_ALIGNMENT,
  LOADED_HIGH,
  LOADFLAGS,
  SETUP_SECTS,
  VERSION,
} from './setup-header.js'
import { startLinux } from './start.js'

/** COMMAND_LINE_SIZE of x86, less the NUL: a vmlinux says nothing about it. */
export const COMMAND_LINE_MAX = 2047
/** What every x86-64 kernel's setup header says. */
export const INITRD_LAST = 0x7fff_ffff
const PROTOCOL_2_15 = 0x020f
const ALIGNMENT = 0x20_0000

export const INITRD_FAULT = { image: 'initrd', field: 'size' } as const
export const COMMAND_LINE_FAULT = { image: 'command line', field: 'length' } as const

/**
 * Loads an unpacked kernel, an ELF vmlinux, by the Linux boot protocol of its class: 64 or 32 bits. It saves the guest the
 * time to unpack. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything.
 */
export function loadVmlinux(memory: LoadMemory, options: KernelOptions): BootResult {
  const checked = checkKernelOptions(options)
  const elf = parseElf(checked.kernel)
  const entry = physicalEntry(elf)
  const plan = new BootPlan(memory, checked.e820)
  planSegments(plan, elf, 'kernel segment')
  return startLinux(plan, checked, {
    bits: elf.elfClass,
    entry,
    header: setupHeader(),
    cmdlineSize: COMMAND_LINE_MAX,
    cmdlineFault: COMMAND_LINE_FAULT,
    initrdAddrMax: INITRD_LAST,
    initrdFault: INITRD_FAULT,
  })
}

/** The header that the image would have had in front, with what an unpacked kernel still reads of it. */
function setupHeader(): Uint8Array {
  const bytes = new Uint8Array(HEADER_END)
  const view = new DataView(bytes.buffer)
  view.setUint16(BOOT_FLAG, BOOT_FLAG_VALUE, true)
  view.setUint32(HEADER, HEADER_MAGIC, true)
  view.setUint16(VERSION, PROTOCOL_2_15, true)
  view.setUint8(LOADFLAGS, LOADED_HIGH)
  view.setUint32(INITRD_ADDR_MAX, INITRD_LAST, true)
  view.setUint32(KERNEL_ALIGNMENT, ALIGNMENT, true)
  view.setUint32(CMDLINE_SIZE, COMMAND_LINE_MAX, true)
  return bytes.subarray(SETUP_SECTS)
}
