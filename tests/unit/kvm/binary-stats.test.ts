import { parseStats } from 'node-kvm'
import { describe, expect, test } from 'vitest'

import * as uapi from '../../../lib/kvm/generated/common.js'
import { expectRefusal } from '../../thrown.js'

const NAME_SIZE = 32
const HEADER = 24
const DESCRIPTOR = 16 + NAME_SIZE

interface Row {
  name: string
  flags: number
  exponent?: number
  bucketSize?: number
  values: bigint[]
}

/** The bytes as the kernel writes them (KVM API, KVM_GET_STATS_FD). */
function file(...rows: Row[]): Uint8Array {
  const dataAt = HEADER + NAME_SIZE + rows.length * DESCRIPTOR
  const bytes = new Uint8Array(dataAt + 8 * rows.flatMap(({ values }) => values).length)
  const data = new DataView(bytes.buffer)
  const words = [0, NAME_SIZE, rows.length, HEADER, HEADER + NAME_SIZE, dataAt]
  for (const [index, word] of words.entries()) data.setUint32(4 * index, word, true)
  bytes.set(Buffer.from('kvm-1234/vcpu-0'), HEADER)
  let offset = 0
  for (const [index, { name, flags, exponent = 0, bucketSize = 0, values }] of rows.entries()) {
    const at = HEADER + NAME_SIZE + index * DESCRIPTOR
    data.setUint32(at, flags, true)
    data.setInt16(at + 4, exponent, true)
    data.setUint16(at + 6, values.length, true)
    data.setUint32(at + 8, offset, true)
    data.setUint32(at + 12, bucketSize, true)
    bytes.set(Buffer.from(name), at + 16)
    for (const value of values) {
      data.setBigUint64(dataAt + offset, value, true)
      offset += 8
    }
  }
  return bytes
}

const EXITS: Row = { name: 'exits', flags: uapi.KVM_STATS_TYPE_CUMULATIVE, values: [2n ** 63n] }
const WAIT: Row = {
  name: 'halt_wait_ns',
  flags: uapi.KVM_STATS_TYPE_PEAK | uapi.KVM_STATS_UNIT_SECONDS | uapi.KVM_STATS_BASE_POW10,
  exponent: -9,
  values: [1500n],
}
const PAGES: Row = {
  name: 'pages',
  flags: uapi.KVM_STATS_TYPE_INSTANT | uapi.KVM_STATS_UNIT_BYTES | uapi.KVM_STATS_BASE_POW2,
  exponent: 12,
  values: [3n],
}

describe('statistics', () => {
  test('have whose they are, and each its name, type, unit, scale and value', () => {
    expect(parseStats(file(EXITS, WAIT, PAGES))).toEqual({
      id: 'kvm-1234/vcpu-0',
      stats: [
        { name: 'exits', type: 'cumulative', unit: 'none', scale: 1, values: [2n ** 63n] },
        { name: 'halt_wait_ns', type: 'peak', unit: 'seconds', scale: 1e-9, values: [1500n] },
        { name: 'pages', type: 'instant', unit: 'bytes', scale: 4096, values: [3n] },
      ],
    })
    expect(parseStats(file())).toEqual({ id: 'kvm-1234/vcpu-0', stats: [] })
  })

  test('of a histogram have buckets', () => {
    const values = [1n, 2n, 3n, 4n]
    const linear = { name: 'linear', flags: uapi.KVM_STATS_TYPE_LINEAR_HIST, bucketSize: 10, values }
    const log = { name: 'log', flags: uapi.KVM_STATS_TYPE_LOG_HIST | uapi.KVM_STATS_UNIT_CYCLES, values }
    expect(parseStats(file(linear, log)).stats).toMatchObject([
      { type: 'linear-histogram', values, buckets: [0, 10, 20, 30] },
      { type: 'log-histogram', unit: 'cycles', values, buckets: [0, 1, 2, 4] },
    ])
  })

  test('of a younger kernel are unknown, and not refused', () => {
    const [stat] = parseStats(file({ name: 'new', flags: 0xfff, exponent: 1, values: [1n] })).stats
    expect(stat).toEqual({ name: 'new', type: 'unknown', unit: 'unknown', scale: NaN, values: [1n] })
    const flag = uapi.KVM_STATS_TYPE_INSTANT | uapi.KVM_STATS_UNIT_BOOLEAN
    expect(parseStats(file({ name: 'flag', flags: flag, values: [1n] })).stats).toMatchObject([{ unit: 'boolean' }])
  })
})

describe('bytes', () => {
  test('that end anywhere too early are refused', () => {
    const bytes = file(EXITS, WAIT)
    for (let length = 0; length < bytes.length; length++) {
      expectRefusal(() => parseStats(bytes.subarray(0, length)), 'ERR_KVM_INVALID_ARGUMENT', /end before|bytes/)
    }
    for (const wrong of [null, undefined, [], 'x', new ArrayBuffer(100)]) {
      expectRefusal(() => parseStats(wrong as never), 'ERR_KVM_INVALID_ARGUMENT', /bytes/)
    }
  })

  test('with any word of the header or a descriptor set to a lie are read inside, or refused', () => {
    const good = file(EXITS, WAIT)
    for (let at = 0; at + 4 <= HEADER + NAME_SIZE + DESCRIPTOR; at += 4) {
      for (const lie of [1, 7, 100, 0xffff, 0x7fff_ffff, 0xffff_ffff]) {
        const bytes = good.slice()
        new DataView(bytes.buffer).setUint32(at, lie, true)
        try {
          expect(parseStats(bytes).stats.length).toBeLessThan(100)
        } catch (error) {
          expect(error).toMatchObject({ name: 'KvmError', code: 'ERR_KVM_INVALID_ARGUMENT' })
        }
      }
    }
  })

  test('whose descriptors all name the same values are refused', () => {
    const values = Array.from({ length: 100 }, () => 1n)
    const bytes = file({ ...EXITS, values }, ...Array.from({ length: 20 }, () => ({ ...EXITS, values: [] })))
    const data = new DataView(bytes.buffer)
    for (let index = 0; index < 21; index++) data.setUint16(HEADER + NAME_SIZE + index * DESCRIPTOR + 6, 100, true)
    for (let index = 0; index < 21; index++) data.setUint32(HEADER + NAME_SIZE + index * DESCRIPTOR + 8, 0, true)
    expectRefusal(() => parseStats(bytes), 'ERR_KVM_INVALID_ARGUMENT', /more values than bytes/)
  })
})
