import { KvmError } from '../errors.js'
import { hex, printable } from '../format.js'

/** Where in an image a fault lies. */
export interface ImageFault {
  /** What is read: `bzImage`, `ELF`, `initrd`. */
  image: string
  /** The field's name in its specification. */
  field: string
  /** The field's place, in bytes from the image's start; absent when the fault is in no single field. */
  offset?: number
}

/**
 * The one error of all loaders: which image, which field, where in it, and what is wrong. Names and texts out of the image
 * are in the message as text only.
 */
export function imageError(
  { image, field, offset }: ImageFault,
  problem: string,
  details: { cause?: unknown; [operand: string]: unknown } = {},
): KvmError {
  const { cause, ...operands } = details
  const where = offset === undefined ? field : `${field} at offset ${hex(offset)}`
  return new KvmError('ERR_KVM_BOOT_IMAGE', printable(`${image}: ${where}: ${problem}`), {
    operands: { image, field, ...(offset === undefined ? {} : { offset }), ...operands },
    cause,
  })
}
