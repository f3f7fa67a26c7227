// The decoder on a made-up kvm_run page: every exit of the kernel API, most of which no host here can produce.
import { describeExit, type Exit } from 'node-kvm'
import { beforeEach, describe, expect, test } from 'vitest'

import { kvm_run } from '../../../lib/kvm/kvm-run.js'
import { ExitDecoder } from '../../../lib/kvm/exit-decoder.js'
import * as kernel from '../../../lib/kvm/generated/common.js'
import { EXIT_REASONS } from '../../../lib/kvm/generated/exits.js'
import { WIDTHS } from '../../../lib/kvm/struct.js'
import { RunPage, runOffset } from '../../../lib/kvm/run-page.js'
import { expectRefusal } from '../../thrown.js'

type Values = Record<string, number | bigint | bigint[] | number[]>

let bytes: Uint8Array
let page: RunPage
let decoder: ExitDecoder
beforeEach(() => {
  const memory = new ArrayBuffer(3 * 4096)
  bytes = new Uint8Array(memory)
  page = new RunPage(() => memory)
  decoder = new ExitDecoder(page)
})

/** Fills the page as the kernel would. */
function put(values: Values): void {
  for (const [name, value] of Object.entries(values)) {
    const { offset, type } = kvm_run.member(name)!
    const width = WIDTHS[type]!
    for (const [index, item] of [value].flat().entries()) {
      const at = offset + index * width
      if (width === 8) page.data.setBigUint64(at, BigInt(item), true)
      else if (width === 4) page.data.setUint32(at, Number(item), true)
      else if (width === 2) page.data.setUint16(at, Number(item), true)
      else page.data.setUint8(at, Number(item))
    }
  }
}

test('a member that struct kvm_run has not is an error, and not what lies at offset 0', () => {
  expectRefusal(() => page.get('io.prot'), 'ERR_KVM_UNSUPPORTED', /io\.prot/)
  expectRefusal(() => runOffset('mmio.length'), 'ERR_KVM_UNSUPPORTED', /mmio\.length/)
})

function decode(exit: string, values: Values = {}): Exit {
  put({ exit_reason: EXIT_REASONS[`KVM_EXIT_${exit}` as keyof typeof EXIT_REASONS], ...values })
  return decoder.decode()
}

const TOP = 2n ** 64n - 1n
const args = [1n, 2n, 3n, 4n, 5n, TOP]

// Name, what the kernel writes, what comes out beside the reason.
const EXITS: [string, Values, Record<string, unknown>][] = [
  ['EXCEPTION', { 'ex.exception': 14, 'ex.error_code': 0xffff_ffff }, { exception: 14, errorCode: 0xffff_ffff }],
  [
    'HYPERCALL',
    { 'hypercall.nr': 12n, 'hypercall.args': args, 'hypercall.longmode': 1 },
    { nr: 12n, args, longmode: 1, ret: 0n },
  ],
  [
    'DEBUG',
    { 'debug.arch.exception': 1, 'debug.arch.pc': TOP, 'debug.arch.dr6': 2n, 'debug.arch.dr7': 3n },
    { exception: 1, pc: TOP, dr6: 2n, dr7: 3n },
  ],
  ['HLT', {}, {}],
  ['IRQ_WINDOW_OPEN', {}, {}],
  ['SHUTDOWN', {}, {}],
  [
    'FAIL_ENTRY',
    { 'fail_entry.hardware_entry_failure_reason': 0x8000_0021n, 'fail_entry.cpu': 7 },
    { hardwareEntryFailureReason: 0x8000_0021n, cpu: 7 },
  ],
  ['SET_TPR', {}, {}],
  ['TPR_ACCESS', { 'tpr_access.rip': 5n, 'tpr_access.is_write': 1 }, { rip: 5n, isWrite: 1 }],
  [
    'S390_SIEIC',
    { 's390_sieic.icptcode': 1, 's390_sieic.ipa': 2, 's390_sieic.ipb': 3 },
    { icptcode: 1, ipa: 2, ipb: 3 },
  ],
  ['S390_RESET', { s390_reset_flags: 9n }, { flags: 9n }],
  ['DCR', { 'dcr.dcrn': 1, 'dcr.data': 2, 'dcr.is_write': 1 }, { dcrn: 1, data: 2, isWrite: 1 }],
  ['NMI', {}, {}],
  ['PAPR_HCALL', { 'papr_hcall.nr': 3n, 'papr_hcall.ret': 4n }, { nr: 3n, args: Array(9).fill(0n), ret: 4n }],
  [
    'S390_UCONTROL',
    { 's390_ucontrol.trans_exc_code': 6n, 's390_ucontrol.pgm_code': 7 },
    { transExcCode: 6n, pgmCode: 7 },
  ],
  ['WATCHDOG', {}, {}],
  [
    'S390_TSCH',
    { 's390_tsch.subchannel_id': 1, 's390_tsch.io_int_word': 2, 's390_tsch.dequeued': 3 },
    { subchannelId: 1, subchannelNr: 0, ioIntParm: 0, ioIntWord: 2, ipb: 0, dequeued: 3 },
  ],
  ['EPR', { 'epr.epr': 5 }, { epr: 5 }],
  [
    'SYSTEM_EVENT',
    { 'system_event.type': 2, 'system_event.ndata': 2, 'system_event.data': [7n, 8n, 9n] },
    { type: 2, typeName: 'reset', data: [7n, 8n] },
  ],
  [
    'S390_STSI',
    { 's390_stsi.addr': 1n, 's390_stsi.ar': 2, 's390_stsi.fc': 3, 's390_stsi.sel1': 4, 's390_stsi.sel2': 5 },
    { addr: 1n, ar: 2, fc: 3, sel1: 4, sel2: 5 },
  ],
  ['IOAPIC_EOI', { 'eoi.vector': 0xfe }, { vector: 0xfe }],
  ['ARM_NISV', { 'arm_nisv.esr_iss': 1n, 'arm_nisv.fault_ipa': TOP }, { esrIss: 1n, faultIpa: TOP }],
  ['ARM_LDST64B', { 'arm_nisv.esr_iss': 1n, 'arm_nisv.fault_ipa': TOP }, { esrIss: 1n, faultIpa: TOP }],
  [
    'X86_RDMSR',
    { 'msr.index': 0x1234, 'msr.reason': 2, 'msr.data': 5n, 'msr.error': 0 },
    { index: 0x1234, msrReason: 2, data: 5n, error: 0 },
  ],
  [
    'X86_WRMSR',
    { 'msr.index': 0x10, 'msr.reason': 4, 'msr.data': TOP },
    { index: 0x10, msrReason: 4, data: TOP, error: 0 },
  ],
  ['DIRTY_RING_FULL', {}, {}],
  ['AP_RESET_HOLD', {}, {}],
  ['X86_BUS_LOCK', {}, {}],
  [
    'XEN',
    {
      'xen.type': 1,
      'xen.u.hcall.longmode': 1,
      'xen.u.hcall.cpl': 3,
      'xen.u.hcall.input': 4n,
      'xen.u.hcall.params': args,
    },
    { type: 1, longmode: 1, cpl: 3, input: 4n, params: args, result: 0n },
  ],
  [
    'RISCV_SBI',
    { 'riscv_sbi.extension_id': 1n, 'riscv_sbi.function_id': 2n, 'riscv_sbi.args': args },
    { extensionId: 1n, functionId: 2n, args, ret: BigUint64Array.of(0n, 0n) },
  ],
  [
    'RISCV_CSR',
    { 'riscv_csr.csr_num': 1n, 'riscv_csr.new_value': 2n, 'riscv_csr.write_mask': 3n },
    { csrNum: 1n, newValue: 2n, writeMask: 3n, retValue: 0n },
  ],
  ['NOTIFY', { 'notify.flags': 1 }, { flags: 1 }],
  [
    'MEMORY_FAULT',
    { 'memory_fault.flags': 8n, 'memory_fault.gpa': TOP, 'memory_fault.size': 4096n },
    { flags: 8n, gpa: TOP, size: 4096n },
  ],
  [
    'LOONGARCH_IOCSR',
    { 'iocsr_io.phys_addr': 0x1000n, 'iocsr_io.data': [1, 2, 3], 'iocsr_io.len': 3, 'iocsr_io.is_write': 1 },
    { address: 0x1000, isWrite: true, data: Uint8Array.of(1, 2, 3) },
  ],
  [
    'TDX',
    { 'tdx.flags': 1n, 'tdx.nr': 2n, 'tdx.unknown.ret': 3n, 'tdx.unknown.data': [4n] },
    { flags: 1n, nr: 2n, ret: 3n, data: BigUint64Array.of(4n, 0n, 0n, 0n, 0n) },
  ],
  [
    'ARM_SEA',
    { 'arm_sea.flags': 1n, 'arm_sea.esr': 2n, 'arm_sea.gva': 3n, 'arm_sea.gpa': 4n },
    { flags: 1n, esr: 2n, gva: 3n, gpa: 4n },
  ],
  ['SNP_REQ_CERTS', { 'snp_req_certs.gpa': 1n, 'snp_req_certs.npages': 2n }, { gpa: 1n, npages: 2n, ret: 0n }],
]

test.each(EXITS)('%s', (name, values, members) => {
  const exit = decode(name, values)
  expect({ ...exit }).toEqual({ reason: name.toLowerCase().replaceAll('_', '-'), ...members })
  expect(describeExit(exit)).toMatch(new RegExp(`^${exit.reason}( |$)`))
})

test('OSI', () => {
  const exit = decode('OSI', { 'osi.gprs': [1n, TOP] })
  expect(exit).toEqual({ reason: 'osi', gprs: [1n, TOP, ...Array<bigint>(30).fill(0n)] })
})

test('the kernel has no exit that is not decoded, except the ones that run() turns into something else', () => {
  const names = Object.keys(EXIT_REASONS).map((name) => name.slice('KVM_EXIT_'.length))
  const undecoded = names.filter((name) => decode(name).reason === 'unknown')
  expect(undecoded.sort()).toEqual(['INTR', 'UNKNOWN'])
  const tested = [...EXITS.map(([name]) => name), 'IO', 'MMIO', 'OSI', 'HYPERV', 'INTERNAL_ERROR', ...undecoded]
  expect(tested.sort()).toEqual(names.sort())
})

describe('io', () => {
  const io = (direction: number, size: number, count: number): Values => ({
    'io.direction': direction,
    'io.size': size,
    'io.port': 0xffff,
    'io.count': count,
    'io.data_offset': 4096n,
  })

  test('out: port, size, count and data apart', () => {
    bytes.set([1, 2, 3, 4, 5, 6], 4096)
    const exit = decode('IO', io(1, 2, 3))
    expect(exit).toEqual({
      reason: 'io',
      direction: 'out',
      port: 0xffff,
      size: 2,
      count: 3,
      data: Uint8Array.of(1, 2, 3, 4, 5, 6),
    })
    expect(describeExit(exit)).toBe('io out port 0xffff size 2 count 3 data 01 02 03 04 05 06')
  })

  test('in: what is put into data arrives in the page', () => {
    const exit = decode('IO', io(0, 4, 1))
    expect(exit).toMatchObject({ direction: 'in' })
    if (exit.reason === 'io') exit.data.set([9, 8, 7, 6])
    expect([...bytes.subarray(4096, 4101)]).toEqual([9, 8, 7, 6, 0])
    expect(describeExit(exit)).toBe('io in port 0xffff size 4 count 1')
  })

  test('a long one is cut short in the description, not in the data', () => {
    const exit = decode('IO', io(1, 1, 1024))
    expect(exit).toMatchObject({ count: 1024 })
    expect(describeExit(exit)).toMatch(/count 1024 data (00 ){16}… \(1024 bytes\)$/)
  })

  test('the same length at another offset is another place', () => {
    bytes[4096] = 1
    bytes[8192] = 2
    const data = () => (decoder.decode() as { data: Uint8Array }).data[0]
    decode('IO', io(1, 1, 1))
    expect(data()).toBe(1)
    put({ 'io.data_offset': 8192n })
    expect(data()).toBe(2)
  })
})

describe('mmio', () => {
  const mmio = (address: bigint, length: number, isWrite: number): Values => ({
    'mmio.phys_addr': address,
    'mmio.data': [1, 2, 3, 4, 5, 6, 7, 8],
    'mmio.len': length,
    'mmio.is_write': isWrite,
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('%i bytes', (length) => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8).subarray(0, length)
    expect(decode('MMIO', mmio(2n ** 52n - 8n, length, 1))).toEqual({
      reason: 'mmio',
      address: 2 ** 52 - 8,
      isWrite: true,
      data,
    })
    expect(describeExit(decoder.decode())).toMatch(/^mmio write 0xffffffffffff8 data 01/)
    const read = decode('MMIO', mmio(0n, length, 0))
    expect(read).toMatchObject({ address: 0, isWrite: false })
    expect(describeExit(read)).toBe(`mmio read 0x0 size ${length}`)
  })

  test('a length that no kernel gives does not reach beyond the field', () => {
    expect(decode('MMIO', mmio(0n, 0xffff_ffff, 1))).toMatchObject({ data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) })
  })
})

describe('internal-error', () => {
  test.each([
    [2, 'simul-ex'],
    [3, 'delivery-ev'],
    [4, 'unexpected-exit-reason'],
    [99, 'unknown'],
  ])('suberror %i, %s: as many words as the kernel filled', (suberror, suberrorName) => {
    const values = { 'internal.suberror': suberror, 'internal.ndata': 2, 'internal.data': [1n, TOP, 3n] }
    expect(decode('INTERNAL_ERROR', values)).toEqual({
      reason: 'internal-error',
      suberror,
      suberrorName,
      data: [1n, TOP],
    })
  })

  test('a count beyond the sixteen words is not believed', () => {
    const exit = decode('INTERNAL_ERROR', { 'internal.suberror': 3, 'internal.ndata': 0xffff_ffff })
    expect(exit).toMatchObject({ data: Array(16).fill(0n) })
  })

  const emulation = (flags: bigint, size: number): Values => ({
    'internal.suberror': 1,
    'internal.ndata': 4,
    'emulation_failure.flags': flags,
    'emulation_failure.insn_size': size,
    'emulation_failure.insn_bytes': Array.from({ length: 15 }, (_, index) => index + 1),
  })

  test.each([1, 15])('emulation with %i instruction bytes', (size) => {
    const instruction = Uint8Array.from({ length: size }, (_, index) => index + 1)
    expect(decode('INTERNAL_ERROR', emulation(1n, size))).toMatchObject({
      suberrorName: 'emulation',
      emulationFlags: 1n,
      instruction,
    })
  })

  test('a size beyond the fifteen bytes is not believed', () => {
    const exit = decode('INTERNAL_ERROR', emulation(1n, 255))
    expect(exit.reason === 'internal-error' && exit.instruction).toHaveLength(15)
  })

  test('emulation without the flag has no bytes, and without data no flags', () => {
    expect(decode('INTERNAL_ERROR', emulation(0n, 15))).not.toHaveProperty('instruction')
    const bare = decode('INTERNAL_ERROR', { ...emulation(1n, 15), 'internal.ndata': 0 })
    expect(bare).toEqual({ reason: 'internal-error', suberror: 1, suberrorName: 'emulation', data: [] })
  })
})

test('system-event: a count beyond the words is not believed, a new type is unknown', () => {
  const exit = decode('SYSTEM_EVENT', { 'system_event.type': 77, 'system_event.ndata': 0xffff_ffff })
  expect(exit).toEqual({ reason: 'system-event', type: 77, typeName: 'unknown', data: Array(16).fill(0n) })
})

describe('hyperv', () => {
  test('synic', () => {
    const values = {
      'hyperv.type': kernel.KVM_EXIT_HYPERV_SYNIC,
      'hyperv.u.synic.msr': 0x4000_0080,
      'hyperv.u.synic.control': 1n,
      'hyperv.u.synic.evt_page': 2n,
      'hyperv.u.synic.msg_page': 3n,
    }
    const expected = { reason: 'hyperv', type: 'synic', msr: 0x4000_0080, control: 1n, evtPage: 2n, msgPage: 3n }
    expect(decode('HYPERV', values)).toEqual(expected)
  })

  test('hcall: the result goes into the page', () => {
    const values = {
      'hyperv.type': kernel.KVM_EXIT_HYPERV_HCALL,
      'hyperv.u.hcall.input': 5n,
      'hyperv.u.hcall.params': [6n, 7n],
    }
    const exit = decode('HYPERV', values)
    expect({ ...exit }).toEqual({ reason: 'hyperv', type: 'hcall', input: 5n, params: [6n, 7n], result: 0n })
    if (exit.reason === 'hyperv' && exit.type === 'hcall') exit.result = TOP
    expect(page.word('hyperv.u.hcall.result')).toBe(TOP)
  })

  test('syndbg, and a type that is not known', () => {
    const values = { 'hyperv.type': kernel.KVM_EXIT_HYPERV_SYNDBG, 'hyperv.u.syndbg.status': 4n }
    expect(decode('HYPERV', values)).toMatchObject({ type: 'syndbg', status: 4n })
    expect(decode('HYPERV', { 'hyperv.type': 77 })).toEqual({ reason: 'hyperv', type: 'unknown', typeNumber: 77 })
  })
})

describe('live members', () => {
  test("the VMM's answer arrives in the page, checked", () => {
    const exit = decode('X86_RDMSR')
    if (exit.reason !== 'x86-rdmsr') throw new Error('another exit')
    exit.data = 0x1122n
    exit.error = 1
    expect([page.word('msr.data'), page.number('msr.error'), exit.data]).toEqual([0x1122n, 1, 0x1122n])
    expectRefusal(() => (exit.data = -1n), 'ERR_KVM_INVALID_ARGUMENT', /data/)
    expectRefusal(() => (exit.data = 1 as never), 'ERR_KVM_INVALID_ARGUMENT', /data/)
    expectRefusal(() => (exit.error = 256), 'ERR_KVM_INVALID_ARGUMENT', /error/)
    expect([page.word('msr.data'), page.number('msr.error')]).toEqual([0x1122n, 1])
  })

  test.each([
    ['HYPERCALL', 'ret', 'hypercall.ret'],
    ['TDX', 'ret', 'tdx.unknown.ret'],
    ['XEN', 'result', 'xen.u.hcall.result'],
    ['RISCV_CSR', 'retValue', 'riscv_csr.ret_value'],
    ['PAPR_HCALL', 'ret', 'papr_hcall.ret'],
  ])('%s.%s', (name, member, field) => {
    const exit = decode(name) as unknown as Record<string, unknown>
    exit[member] = 0x1234_5678_9abcn
    expect(page.word(field)).toBe(0x1234_5678_9abcn)
  })
})

test('an exit that the library does not know keeps its numbers', () => {
  put({ exit_reason: 12345, 'hw.hardware_exit_reason': 77n })
  const exit = decoder.decode()
  expect(exit).toEqual({ reason: 'unknown', exitReason: 12345, hardwareExitReason: 77n })
  expect(describeExit(exit)).toBe('unknown exitReason 12345 hardwareExitReason 0x4d')
})
