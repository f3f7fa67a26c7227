import { lazy } from '../lazy.js'
import { plainExits } from './plain-exits.js'
import type { Exit, HypervExit, InternalErrorExit, IoExit, MmioExit, SystemEventExit } from './exits.js'
import {
  KVM_EXIT_HYPERV_HCALL,
  KVM_EXIT_HYPERV_SYNDBG,
  KVM_EXIT_HYPERV_SYNIC,
  KVM_EXIT_IO_OUT,
  KVM_INTERNAL_ERROR_EMULATION,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
} from './generated/common.js'
import { EXIT_REASONS } from './generated/exits.js'
import { type RunPage, runOffset } from './run-page.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const EXIT_IO = EXIT_REASONS.KVM_EXIT_IO
const EXIT_MMIO = EXIT_REASONS.KVM_EXIT_MMIO
const EXIT_HLT = EXIT_REASONS.KVM_EXIT_HLT
const INSTRUCTION_BYTES_VALID = BigInt(KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)

const OFFSET = {
  exitReason: runOffset('exit_reason'),
  ioDirection: runOffset('io.direction'),
  ioSize: runOffset('io.size'),
  ioPort: runOffset('io.port'),
  ioCount: runOffset('io.count'),
  ioDataOffset: runOffset('io.data_offset'),
  mmioAddress: runOffset('mmio.phys_addr'),
  mmioData: runOffset('mmio.data'),
  mmioLength: runOffset('mmio.len'),
  mmioIsWrite: runOffset('mmio.is_write'),
}

const HLT: Exit = { reason: 'hlt' }

type Decode = (page: RunPage) => Exit

/** Turns what KVM_RUN left in the page into an {@link Exit}. The frequent ones allocate nothing. */
export class ExitDecoder {
  readonly #page: RunPage
  readonly #io: Mutable<IoExit>
  readonly #mmio: Mutable<MmioExit>
  // Views of the data areas by length: the accesses of a device have one of a few.
  readonly #ioData: (Uint8Array | undefined)[] = []
  readonly #mmioData: (Uint8Array | undefined)[] = []

  constructor(page: RunPage) {
    this.#page = page
    const data = new Uint8Array(0)
    this.#io = { reason: 'io', direction: 'in', port: 0, size: 0, count: 0, data }
    this.#mmio = { reason: 'mmio', address: 0, isWrite: false, data }
  }

  /** The kernel's number of the exit in the page. */
  get exitReason(): number {
    return this.#page.data.getUint32(OFFSET.exitReason, true)
  }

  decode(): Exit {
    const exitReason = this.exitReason
    if (exitReason === EXIT_IO) return this.#decodeIo()
    if (exitReason === EXIT_MMIO) return this.#decodeMmio()
    if (exitReason === EXIT_HLT) return HLT
    const decode = decoders().get(exitReason)
    if (decode !== undefined) return decode(this.#page)
    return { reason: 'unknown', exitReason, hardwareExitReason: this.#page.word('hw.hardware_exit_reason') }
  }

  #decodeIo(): IoExit {
    const { data } = this.#page
    const exit = this.#io
    exit.direction = data.getUint8(OFFSET.ioDirection) === KVM_EXIT_IO_OUT ? 'out' : 'in'
    exit.size = data.getUint8(OFFSET.ioSize)
    exit.port = data.getUint16(OFFSET.ioPort, true)
    exit.count = data.getUint32(OFFSET.ioCount, true)
    const length = exit.size * exit.count
    // The low word is the whole offset: the page is a few KiB long.
    const offset = data.getUint32(OFFSET.ioDataOffset, true)
    let view = this.#ioData[length]
    // Another offset, too, when somebody has detached it.
    if (view?.byteOffset !== offset) {
      view = this.#page.view(offset, length)
      this.#ioData[length] = view
    }
    exit.data = view
    return exit
  }

  #decodeMmio(): MmioExit {
    const { data } = this.#page
    const exit = this.#mmio
    const length = Math.min(data.getUint32(OFFSET.mmioLength, true), 8)
    exit.address = Number(data.getBigUint64(OFFSET.mmioAddress, true))
    exit.isWrite = data.getUint8(OFFSET.mmioIsWrite) !== 0
    let view = this.#mmioData[length]
    if (view?.length !== length) {
      view = this.#page.view(OFFSET.mmioData, length)
      this.#mmioData[length] = view
    }
    exit.data = view
    return exit
  }
}

/** Adds members that read and write the page itself: what the VMM answers with. */
function live<T extends object>(exit: T, page: RunPage, members: Record<string, string>): T {
  for (const [member, field] of Object.entries(members)) {
    Object.defineProperty(exit, member, {
      enumerable: true,
      get: () => page.get(field),
      set: (value: unknown) => {
        page.set(field, member, value)
      },
    })
  }
  return exit
}

const SUBERRORS = ['unknown', 'emulation', 'simul-ex', 'delivery-ev', 'unexpected-exit-reason'] as const

function internalError(page: RunPage): InternalErrorExit {
  const suberror = page.number('internal.suberror')
  const exit: Mutable<InternalErrorExit> = {
    reason: 'internal-error',
    suberror,
    suberrorName: SUBERRORS[suberror] ?? 'unknown',
    data: page.copyWords('internal.data', page.number('internal.ndata')),
  }
  if (suberror !== KVM_INTERNAL_ERROR_EMULATION || exit.data.length === 0) return exit
  exit.emulationFlags = page.word('emulation_failure.flags')
  if ((exit.emulationFlags & INSTRUCTION_BYTES_VALID) !== 0n) {
    const start = runOffset('emulation_failure.insn_bytes')
    const length = Math.min(page.number('emulation_failure.insn_size'), 15)
    exit.instruction = page.bytes(start, length)
  }
  return exit
}

const SYSTEM_EVENTS = ['unknown', 'shutdown', 'reset', 'crash', 'wakeup', 'suspend', 'sev-term', 'tdx-fatal'] as const

function systemEvent(page: RunPage): SystemEventExit {
  const type = page.number('system_event.type')
  return {
    reason: 'system-event',
    type,
    typeName: SYSTEM_EVENTS[type] ?? 'unknown',
    data: page.copyWords('system_event.data', page.number('system_event.ndata')),
  }
}

function hyperv(page: RunPage): HypervExit {
  const type = page.number('hyperv.type')
  if (type === KVM_EXIT_HYPERV_SYNIC) {
    return {
      reason: 'hyperv',
      type: 'synic',
      msr: page.number('hyperv.u.synic.msr'),
      control: page.word('hyperv.u.synic.control'),
      evtPage: page.word('hyperv.u.synic.evt_page'),
      msgPage: page.word('hyperv.u.synic.msg_page'),
    }
  }
  if (type === KVM_EXIT_HYPERV_HCALL) {
    const exit = {
      reason: 'hyperv' as const,
      type: 'hcall' as const,
      input: page.word('hyperv.u.hcall.input'),
      params: page.copyWords('hyperv.u.hcall.params'),
      result: 0n,
    }
    return live(exit, page, { result: 'hyperv.u.hcall.result' })
  }
  if (type === KVM_EXIT_HYPERV_SYNDBG) {
    const exit = {
      reason: 'hyperv' as const,
      type: 'syndbg' as const,
      msr: page.number('hyperv.u.syndbg.msr'),
      control: page.word('hyperv.u.syndbg.control'),
      status: 0n,
      sendPage: page.word('hyperv.u.syndbg.send_page'),
      recvPage: page.word('hyperv.u.syndbg.recv_page'),
      pendingPage: page.word('hyperv.u.syndbg.pending_page'),
    }
    return live(exit, page, { status: 'hyperv.u.syndbg.status' })
  }
  return { reason: 'hyperv', type: 'unknown', typeNumber: type }
}

function loongarchIocsr(page: RunPage): Exit {
  const start = runOffset('iocsr_io.data')
  return {
    reason: 'loongarch-iocsr',
    address: Number(page.word('iocsr_io.phys_addr')),
    isWrite: page.number('iocsr_io.is_write') !== 0,
    data: page.view(start, Math.min(page.number('iocsr_io.len'), 8)),
  }
}

function plainDecoders(): [number, Decode][] {
  return plainExits().map(([number, shape]) => [
    number,
    (page) => {
      const exit: Record<string, unknown> = { reason: shape.reason }
      for (const [member, field] of Object.entries(shape.read ?? {})) exit[member] = page.get(field)
      for (const [member, field] of Object.entries(shape.readWords ?? {})) exit[member] = page.copyWords(field)
      for (const [member, field] of Object.entries(shape.liveWords ?? {})) exit[member] = page.words(field)
      return live(exit, page, shape.live ?? {}) as unknown as Exit
    },
  ])
}

const decoders = lazy(
  () =>
    new Map<number, Decode>([
      ...plainDecoders(),
      [EXIT_REASONS.KVM_EXIT_INTERNAL_ERROR, internalError],
      [EXIT_REASONS.KVM_EXIT_SYSTEM_EVENT, systemEvent],
      [EXIT_REASONS.KVM_EXIT_HYPERV, hyperv],
      [EXIT_REASONS.KVM_EXIT_LOONGARCH_IOCSR, loongarchIocsr],
    ]),
)
