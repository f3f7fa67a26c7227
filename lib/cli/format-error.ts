import { codeOf } from './error-code.js'
import { toJson } from './json.js'

/** What of the library's errors, beside their code, is for programs. */
interface Details {
  operands?: unknown
  errno?: unknown
  ioctl?: unknown
}

/** What is said when something did not work. */
export function formatError(error: unknown, json: boolean): string {
  const message = error instanceof Error ? error.message : String(error)
  if (!json) return `node-kvm: ${message}`
  // Not by their class: the library is loaded only by those who use it.
  const { operands, errno, ioctl } = Object(error) as Details
  return toJson({ kind: 'error', code: codeOf(error), message, operands, errno, ioctl })
}
