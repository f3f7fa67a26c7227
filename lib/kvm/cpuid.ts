import type { CpuidEntry } from '../arch/x86/cpuid-entry.js'
import { invalidArgument } from '../validate.js'
import type { Fd } from './fd.js'
import { kvm_cpuid_entry2 } from './generated/x86.js'
import { listBytes, readList } from './list.js'

export type { CpuidEntry }

const shape = { header: 8, entrySize: kvm_cpuid_entry2.size }

// More than any host has had so far; a longer list costs one more call.
const USUAL_ENTRIES = 128

export function readCpuid(fd: Fd, ioctl: string): CpuidEntry[] {
  // KVM_GET_CPUID2 of older kernels (Linux 6.1) leaves the count as it was. An entry ends with reserved fields of zeros.
  const countWritten = ioctl === 'KVM_GET_CPUID2'
  const { data, count } = readList(fd, ioctl, { ...shape, countWritten }, USUAL_ENTRIES)
  return Array.from({ length: count }, (_, index) =>
    kvm_cpuid_entry2.decode(data, shape.header + index * shape.entrySize),
  )
}

export function writeCpuid(fd: Fd, entries: readonly CpuidEntry[]): void {
  if (!Array.isArray(entries)) throw invalidArgument('entries', entries, 'an array of CPUID entries')
  fd.ioctl('KVM_SET_CPUID2', listBytes(shape, kvm_cpuid_entry2, entries), { entries: entries.length })
}
