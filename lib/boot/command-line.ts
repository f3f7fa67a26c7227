import { COMMAND_LINE_ADDRESS, COMMAND_LINE_END } from './addresses.js'
import type { BootPlan } from './boot-plan.js'
import { imageError, type ImageFault } from '../image/image-error.js'
import { invalidArgument } from '../validate.js'

/** The longest command line that the loaders have room for, without its NUL. */
export const COMMAND_LINE_ROOM = COMMAND_LINE_END - COMMAND_LINE_ADDRESS - 1

/** UTF-8 with a NUL at its end, which a kernel takes for the end: there must be none before it. */
export function encodeCommandLine(cmdline: unknown, limit: number, fault: ImageFault): Uint8Array {
  if (typeof cmdline !== 'string') throw invalidArgument('cmdline', cmdline, 'a string')
  if (cmdline.includes('\0')) throw imageError(fault, 'the command line has a NUL in it')
  const bytes = new TextEncoder().encode(`${cmdline}\0`)
  const most = Math.min(limit, COMMAND_LINE_ROOM)
  if (bytes.length - 1 > most) {
    throw imageError(fault, `the command line has ${bytes.length - 1} bytes; ${most} are allowed`, {
      length: bytes.length - 1,
      limit: most,
    })
  }
  return bytes
}

/** Plans the command line where the kernel is not. Returns its address. */
export function planCommandLine(plan: BootPlan, cmdline: unknown, limit: number, fault: ImageFault): number {
  const content = encodeCommandLine(cmdline, limit, fault)
  return plan.place({ name: 'command line', from: COMMAND_LINE_ADDRESS, align: 1, content, fault })
}
