import { closeSync, openSync, readSync } from 'node:fs'

const LENGTH = 48
const UNKNOWN = 'virtual processor'

let brand: Buffer | undefined

/** The host's processor by its name, as CPUID's leaves 0x80000002 to 0x80000004 hold it: 48 bytes, the last one 0. */
export function brandString(): Buffer {
  if (brand === undefined) {
    brand = Buffer.alloc(LENGTH)
    brand.write(hostProcessor().slice(0, LENGTH - 1), 'latin1')
  }
  return brand
}

/** From the beginning of the file: the whole has a page for each processor, and os.cpus() reads more than that. */
function hostProcessor(): string {
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
