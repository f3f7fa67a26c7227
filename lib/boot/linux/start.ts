import { BOOT_INFO_ADDRESS, PAGE } from '../addresses.js'
import type { BootPlan } from '../boot-plan.js'
import { planCommandLine } from '../command-line.js'
import { planLongMode, planProtectedMode } from '../entry-state.js'
import type { ImageFault } from '../../image/image-error.js'
import { planInitrd } from '../initrd.js'
import type { BootResult } from '../types.js'
import { BOOT_PARAMS_SIZE, buildBootParams } from './boot-params.js'
import type { CheckedKernelOptions } from './options.js'

/** What a kernel says about the way it starts. */
export interface LinuxStart {
  bits: 32 | 64
  entry: number
  /** The setup header, from `setup_sects` on. */
  header: Uint8Array
  /** The longest command line, and the highest byte that the initrd may cover; with where the image says so. */
  cmdlineSize: number
  cmdlineFault: ImageFault
  initrdAddrMax: number
  initrdFault: ImageFault
}

const fault = { image: 'guest memory', field: 'low memory' }

/**
 * Plans what a kernel, which has its place, finds around itself, and writes it all. boot.rst, "32-bit Boot Protocol": no
 * paging, flat segments, ESI = boot_params, EBP, EDI and EBX 0. "64-bit Boot Protocol": paging on, RSI = boot_params.
 * Interrupts are off.
 */
export function startLinux(plan: BootPlan, options: CheckedKernelOptions, start: LinuxStart): BootResult {
  const { bits, entry, header } = start
  const enter = bits === 64 ? planLongMode(plan) : planProtectedMode(plan)
  // The content of boot_params depends on where the rest lies; its place does not.
  const content = new Uint8Array(BOOT_PARAMS_SIZE)
  const bootParams = plan.place({ name: 'boot_params', from: BOOT_INFO_ADDRESS, align: PAGE, content, fault })
  const commandLine = planCommandLine(plan, options.cmdline, start.cmdlineSize, start.cmdlineFault)
  const initrd = planInitrd(plan, options.initrd, start.initrdAddrMax, start.initrdFault)
  content.set(buildBootParams({ header, commandLine, initrd, e820: plan.e820, rsdp: options.rsdp }))
  const zeros = bits === 64 ? {} : { rbp: 0n, rdi: 0n, rbx: 0n }
  return plan.commit(enter({ rip: BigInt(entry), rsi: BigInt(bootParams), ...zeros }))
}
