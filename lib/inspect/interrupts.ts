import * as A from '../arch/x86/apic.js'
import { RFLAGS } from '../arch/x86/register-bits.js'
import { hex } from '../format.js'
import type { InterruptControllersReport, InterruptReport, LocalApicReport, PicReport, PinReport } from './report.js'

/** What is in flight in a vCPU; what `vcpu.getVcpuEvents()` returns has it. */
export interface EventState {
  exception: { injected: number; pending: number; nr: number; has_error_code: number; error_code: number }
  interrupt: { injected: number; nr: number; shadow: number }
  nmi: { injected: number; pending: number; masked: number }
  smi: { smm: number; pending: number; latched_init: number }
}

/** A vCPU's events, and its local APIC's registers as `vcpu.getLapic()` returns them. */
export interface InterruptState {
  events: EventState
  lapic: Uint8Array
}

/** An 8259; what `vm.getIrqchip('pic-master')` returns has it. */
export interface PicState {
  irq_base: number
  imr: number
  irr: number
  isr: number
}

/** The controllers that all vCPUs share. */
export interface InterruptControllersState {
  master: PicState
  slave: PicState
  ioapic: { irr: number; redirtbl: readonly bigint[] }
}

const SOFTWARE_ENABLED = 1 << 8
const TIMER_MODES = ['one-shot', 'periodic', 'TSC deadline', 'reserved mode'] as const
const DELIVERIES = ['fixed', 'lowest priority', 'SMI', 'reserved', 'NMI', 'INIT', 'reserved', 'ExtINT'] as const

export function reportInterrupts({ events, lapic }: InterruptState, rflags: bigint): InterruptReport {
  const { exception, interrupt, nmi, smi } = events
  const code = exception.has_error_code !== 0 ? ` with error code ${hex(exception.error_code)}` : ''
  const pending: [number, string][] = [
    [exception.injected | exception.pending, `exception ${exception.nr}${code}`],
    [interrupt.injected, `interrupt ${hex(interrupt.nr)}`],
    [nmi.injected | nmi.pending, 'NMI'],
    [smi.pending, 'SMI'],
    [smi.latched_init, 'INIT'],
  ]
  return {
    enabled: (rflags & RFLAGS.IF) !== 0n,
    shadow: interrupt.shadow !== 0,
    nmiMasked: nmi.masked !== 0,
    systemManagement: smi.smm !== 0,
    pending: pending.filter(([flag]) => flag !== 0).map(([, text]) => text),
    localApic: reportLocalApic(lapic),
  }
}

function reportLocalApic(bytes: Uint8Array): LocalApicReport {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const register = (offset: number) => data.getUint32(offset, true)
  // 256 bits, in eight registers of 32 that are 16 bytes apart.
  const vectors = (from: number) =>
    Array.from({ length: 256 }, (_, vector) => vector)
      .filter((vector) => ((register(from + 16 * (vector >> 5)) >>> (vector & 31)) & 1) !== 0)
      .map(hex)
  const timer = register(A.APIC_LVT_TIMER)
  return {
    enabled: (register(A.APIC_SPURIOUS_VECTOR) & SOFTWARE_ENABLED) !== 0,
    taskPriority: hex(register(A.APIC_TASK_PRIORITY)),
    requested: vectors(A.APIC_REQUESTED),
    inService: vectors(A.APIC_IN_SERVICE),
    timer: {
      mode: TIMER_MODES[((timer >> 17) & 3) as 0 | 1 | 2 | 3],
      vector: hex(timer & A.VECTOR_MASK),
      masked: (timer & A.MASKED) !== 0,
      initialCount: register(A.APIC_INITIAL_COUNT),
      currentCount: register(A.APIC_CURRENT_COUNT),
    },
  }
}

export function reportControllers({ master, slave, ioapic }: InterruptControllersState): InterruptControllersReport {
  return {
    master: reportPic(master),
    slave: reportPic(slave),
    pins: ioapic.redirtbl.map((entry, pin) => reportPin(pin, Number(BigInt.asUintN(17, entry)), ioapic.irr)),
  }
}

const reportPic = ({ irq_base, imr, irr, isr }: PicState): PicReport => ({
  vectors: hex(irq_base),
  masked: hex(imr),
  requested: hex(irr),
  inService: hex(isr),
})

const reportPin = (pin: number, entry: number, irr: number): PinReport => ({
  pin,
  vector: hex(entry & A.VECTOR_MASK),
  delivery: DELIVERIES[((entry >> A.DELIVERY_SHIFT) & A.DELIVERY_MASK) as 0],
  trigger: (entry & A.LEVEL_TRIGGERED) !== 0 ? 'level' : 'edge',
  masked: (entry & A.MASKED) !== 0,
  requested: ((irr >>> pin) & 1) !== 0,
})
