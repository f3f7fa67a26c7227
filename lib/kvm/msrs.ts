import { showMsr } from '../arch/x86/msr-names.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { checkInteger, checkList, checkPairs, checkUint64 } from '../validate.js'
import type { Fd } from './fd.js'
import { kvm_msr_entry } from './generated/x86.js'
import { listBytes, readList } from './list.js'

const shape = { header: 8, entrySize: kvm_msr_entry.size }

// The kernel takes fewer than MAX_IO_MSRS, 256, in one call (msr_io() in arch/x86/kvm/x86.c).
const MSRS_PER_CALL = 255

function* chunks<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < list.length; start += MSRS_PER_CALL) yield list.slice(start, start + MSRS_PER_CALL)
}

/** Issues one call and names the MSR at which the kernel stopped. */
function transfer(fd: Fd, ioctl: string, entries: readonly kvm_msr_entry[]): DataView {
  const bytes = listBytes(shape, kvm_msr_entry, entries)
  const done = fd.ioctl(ioctl, bytes)
  const refused = entries[done]
  if (refused !== undefined) {
    const verb = ioctl === 'KVM_GET_MSRS' ? 'read' : `set to ${hex(refused.data)}`
    throw new KvmError('ERR_KVM_MSR', `${ioctl}: the kernel does not let MSR ${showMsr(refused.index)} be ${verb}`, {
      operands: { ...fd.operands, ...refused },
      ioctl,
    })
  }
  return new DataView(bytes.buffer)
}

export function readMsrs(fd: Fd, indices: Iterable<number>): Map<number, bigint> {
  const entries = checkList('indices', indices, 'MSR indices').map((index) => ({
    index: checkInteger('MSR index', index, 0, 0xffff_ffff),
    data: 0n,
  }))
  const values = new Map<number, bigint>()
  for (const chunk of chunks(entries)) {
    const data = transfer(fd, 'KVM_GET_MSRS', chunk)
    chunk.forEach(({ index }, position) => {
      values.set(index, kvm_msr_entry.decode(data, shape.header + position * shape.entrySize).data)
    })
  }
  return values
}

export function writeMsrs(fd: Fd, values: Iterable<readonly [number, bigint]>): void {
  const entries = checkPairs('values', values, '[MSR index, value] pairs').map(([index, data]) => ({
    index: checkInteger('MSR index', index, 0, 0xffff_ffff),
    data: checkUint64('MSR value', data),
  }))
  for (const chunk of chunks(entries)) transfer(fd, 'KVM_SET_MSRS', chunk)
}

/** KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST: a count, then 32-bit indices. */
export function readMsrIndexList(fd: Fd, ioctl: string): number[] {
  const { data, count } = readList(fd, ioctl, { header: 4, entrySize: 4 }, 256)
  return Array.from({ length: count }, (_, index) => data.getUint32(4 + index * 4, true))
}
