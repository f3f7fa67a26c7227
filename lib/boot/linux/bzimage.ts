import { hex } from '../../format.js'
import { FOUR_GIB } from '../addresses.js'
import { BootPlan } from '../boot-plan.js'
import { imageError } from '../../image/image-error.js'
import type { LoadMemory } from '../../memory/placed.js'
import type { BootResult } from '../types.js'
import { checkKernelOptions, type KernelOptions } from './options.js'
import {
  CODE32_START,
  COMMAND_LINE_FAULT,
  ENTRY_64,
  INITRD_FAULT,
  LOAD_FAULT,
  parseSetupHeader,
  SETUP_SECTS,
  type SetupHeader,
} from './setup-header.js'
import { startLinux } from './start.js'

/**
 * Loads a bzImage by the 64-bit Linux boot protocol, or by the 32-bit one where it has no 64-bit entry (Linux,
 * Documentation/arch/x86/boot.rst): the kernel unpacks itself. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything.
 */
export function loadBzImage(memory: LoadMemory, options: KernelOptions): BootResult {
  const checked = checkKernelOptions(options)
  const header = parseSetupHeader(checked.kernel)
  const { bits, cmdlineSize, initrdAddrMax } = header
  const plan = new BootPlan(memory, checked.e820)
  const start = loadAddress(plan, header)
  plan.put({ name: 'kernel', start, content: header.kernel, size: header.initSize, fault: LOAD_FAULT })
  return startLinux(plan, checked, {
    bits,
    entry: bits === 64 ? start + ENTRY_64 : start,
    header: relocated(header.bytes, start),
    cmdlineSize,
    cmdlineFault: COMMAND_LINE_FAULT,
    initrdAddrMax,
    initrdFault: INITRD_FAULT,
  })
}

/**
 * The address that the kernel prefers. A relocatable one goes above when it must, and never below: it would move itself
 * up to that address again.
 */
function loadAddress(plan: BootPlan, header: SetupHeader): number {
  const { initSize: size, kernelAlignment: align, prefAddress: from, relocatable } = header
  const preferred = plan.findLowest({ size, align: 1, from, below: Math.min(FOUR_GIB, from + size) })
  const start = preferred ?? (relocatable ? plan.findLowest({ size, align, from, below: FOUR_GIB }) : undefined)
  if (start !== undefined) return start
  const problem = `the kernel needs ${hex(size)} bytes of RAM from ${hex(from)} on`
  throw imageError(LOAD_FAULT, `${problem}: too little memory`, { initSize: size, prefAddress: from })
}

/** The header as its kernel is to find it at `start`. */
function relocated(header: Uint8Array, start: number): Uint8Array {
  const bytes = Uint8Array.from(header)
  new DataView(bytes.buffer).setUint32(CODE32_START - SETUP_SECTS, start, true)
  return bytes
}
