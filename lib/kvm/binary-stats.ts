import { KvmError } from '../errors.js'
import { checkBytes } from '../validate.js'
import { kvm_stats_desc, kvm_stats_header } from './generated/common.js'

// The file behind KVM_GET_STATS_FD (KVM API): a header, the id, descriptors of one length each, and the values. `flags` of a
// descriptor has 4 bits each for type, unit and base.
const TYPES = ['cumulative', 'instant', 'peak', 'linear-histogram', 'log-histogram'] as const
const UNITS = ['none', 'bytes', 'seconds', 'cycles', 'boolean'] as const
const BASES = [10, 2] as const
const VALUE_SIZE = 8

/** One of KVM's statistics of a VM or vCPU. */
export interface BinaryStat {
  /** The kernel's name of it, `halt_poll_success_ns`. */
  name: string
  /** `cumulative` only grows, `peak` is the greatest so far. `unknown`: a kernel that is younger than this library. */
  type: (typeof TYPES)[number] | 'unknown'
  unit: (typeof UNITS)[number] | 'unknown'
  /** What a value of 1 is in that unit: 1e-9 for nanoseconds. */
  scale: number
  /** One; of a histogram, how often a value fell into each bucket. */
  values: bigint[]
  /** Of a histogram: where each bucket begins, before it is scaled; it ends where the next one begins, and the last one has no end. */
  buckets?: number[]
}

export interface BinaryStats {
  /** Whose they are: `kvm-1234` of a VM, `kvm-1234/vcpu-0` of a vCPU. */
  id: string
  stats: BinaryStat[]
}

/**
 * KVM's statistics from the bytes of the file that KVM_GET_STATS_FD opens, read from its beginning. Throws `ERR_KVM_INVALID_ARGUMENT` for bytes
 * that end too early or contradict themselves.
 */
export function parseStats(bytes: Uint8Array): BinaryStats {
  checkBytes('bytes', bytes)
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  inside(bytes, 'the header', 0, kvm_stats_header.size)
  const header = kvm_stats_header.decode(data)
  const length = kvm_stats_desc.size + header.name_size
  inside(bytes, 'the id', header.id_offset, header.name_size)
  inside(bytes, 'the descriptors', header.desc_offset, header.num_desc * length)
  // No two have a value in common: a lie about that would make much of few bytes.
  let room = Math.floor(bytes.length / VALUE_SIZE)
  const stats = Array.from({ length: header.num_desc }, (_, index) => {
    const at = header.desc_offset + index * length
    const descriptor = kvm_stats_desc.decode(data, at)
    const name = text(bytes, at + kvm_stats_desc.size, header.name_size)
    const values = header.data_offset + descriptor.offset
    inside(bytes, `the values of ${JSON.stringify(name)}`, values, descriptor.size * VALUE_SIZE)
    room -= descriptor.size
    if (room < 0) throw malformed('have more values than bytes', { name })
    return decode(name, descriptor, new DataView(data.buffer, data.byteOffset + values, descriptor.size * VALUE_SIZE))
  })
  return { id: text(bytes, header.id_offset, header.name_size), stats }
}

function decode(name: string, descriptor: kvm_stats_desc, data: DataView): BinaryStat {
  const { flags, exponent, size, bucket_size } = descriptor
  const type = TYPES[flags & 15] ?? 'unknown'
  const stat: BinaryStat = {
    name,
    type,
    unit: UNITS[(flags >> 4) & 15] ?? 'unknown',
    scale: (BASES[(flags >> 8) & 15] ?? NaN) ** exponent,
    values: Array.from({ length: size }, (_, index) => data.getBigUint64(index * VALUE_SIZE, true)),
  }
  const starts = Array.from({ length: size }, (_, index) => index)
  if (type === 'linear-histogram') stat.buckets = starts.map((index) => index * bucket_size)
  if (type === 'log-histogram') stat.buckets = starts.map((index) => (index === 0 ? 0 : 2 ** (index - 1)))
  return stat
}

/** Up to the first zero. */
function text(bytes: Uint8Array, at: number, most: number): string {
  const all = bytes.subarray(at, at + most)
  const end = all.indexOf(0)
  return new TextDecoder('latin1').decode(all.slice(0, end < 0 ? most : end))
}

function inside(bytes: Uint8Array, what: string, at: number, length: number): void {
  if (at + length > bytes.length) throw malformed(`end before ${what} does`, { at, length, bytes: bytes.length })
}

function malformed(what: string, operands: Record<string, unknown>): KvmError {
  return new KvmError('ERR_KVM_INVALID_ARGUMENT', `the bytes of the statistics ${what}`, { operands })
}
