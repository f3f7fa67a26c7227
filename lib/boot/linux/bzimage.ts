import { hex } from '../../format.js'
import { FOUR_GIB } from '../addresses.js'
import { BootPlan } from '../boot-plan.js'
import { planCommandLine } from '../command-line.js'
import { imageError } from '../image-error.js'
import { planInitrd } from '../initrd.js'
import type { BootMemory, BootResult } from '../types.js'
import { BOOT_PARAMS_SIZE, buildBootParams } from './boot-params.js'
import { enterLinux, planEnvironment } from './environment.js'
import { checkKernelOptions, type KernelOptions } from './options.js'
import {
  COMMAND_LINE_FAULT,
  ENTRY_64,
  INITRD_FAULT,
  LOAD_FAULT,
  parseSetupHeader,
  type SetupHeader,
} from './setup-header.js'

/**
 * Loads a bzImage by the 64-bit Linux boot protocol (Linux, Documentation/arch/x86/boot.rst): the kernel unpacks
 * itself. Throws `ERR_KVM_BOOT_IMAGE` before it writes anything.
 */
export function loadBzImage(memory: BootMemory, options: KernelOptions): BootResult {
  const { kernel, initrd, cmdline, e820, rsdp } = checkKernelOptions(options)
  const header = parseSetupHeader(kernel)
  const plan = new BootPlan(memory, e820)

  // The content of boot_params depends on where the rest lies; its place does not.
  const bootParams = new Uint8Array(BOOT_PARAMS_SIZE)
  planEnvironment(plan, bootParams)
  const commandLine = planCommandLine(plan, cmdline, header.cmdlineSize, COMMAND_LINE_FAULT)
  const start = loadAddress(plan, header)
  plan.put({ name: 'kernel', start, content: header.kernel, size: header.initSize, fault: LOAD_FAULT })
  const ramdisk = planInitrd(plan, initrd, header.initrdAddrMax, INITRD_FAULT)
  bootParams.set(buildBootParams({ header: header.bytes, commandLine, initrd: ramdisk, e820: plan.e820, rsdp }))
  return plan.commit(enterLinux(start + ENTRY_64))
}

/**
 * The address that the kernel prefers. A relocatable one goes above when it must, and never below: it would move itself
 * up to that address again.
 */
function loadAddress(plan: BootPlan, header: SetupHeader): number {
  const { initSize: size, kernelAlignment: align, prefAddress: from, relocatable } = header
  const below = Math.min(FOUR_GIB, relocatable ? FOUR_GIB : from + size)
  const start = plan.findLowest({ size, align, from, below })
  if (start !== undefined) return start
  const problem = `the kernel needs ${hex(size)} bytes of RAM from ${hex(from)} on`
  throw imageError(LOAD_FAULT, `${problem}: too little memory`, { initSize: size, prefAddress: from })
}
