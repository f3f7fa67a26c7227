import { closeSync, openSync, readSync } from 'node:fs'
import { lazy } from '../../lazy.js'

/** As many characters as CPUID can hold. */
const LENGTH = 47
const UNKNOWN = 'virtual processor'

/** The host's processor by its name. */
export const hostProcessor = lazy(() =>
  readName()
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, LENGTH),
)

/** From the beginning of the file: the whole has a page for each processor, and os.cpus() reads more than that. */
function readName(): string {
  try {
    const file = openSync('/proc/cpuinfo', 'r')
    try {
      const bytes = Buffer.alloc(1024)
      const text = bytes.toString('latin1', 0, readSync(file, bytes))
      return /^model name\s*: (.*)$/m.exec(text)?.[1] ?? UNKNOWN
    } finally {
      closeSync(file)
    }
  } catch {
    // Where this process may not read files, the guest has to do without.
    return UNKNOWN
  }
}
