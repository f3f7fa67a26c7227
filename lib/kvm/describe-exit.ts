import { showMsr } from '../arch/x86/msr-names.js'
import { hex } from '../format.js'
import type { Exit } from './exits.js'

const MAX_BYTES = 16

/** The members that are an MSR's number. */
const MSR_MEMBERS: Partial<Record<Exit['reason'], string>> = {
  'x86-rdmsr': 'index',
  'x86-wrmsr': 'index',
  hyperv: 'msr',
}

function bytes(data: Uint8Array): string {
  const shown = Array.from(data.subarray(0, MAX_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return data.length > MAX_BYTES ? `${shown} … (${data.length} bytes)` : shown
}

function member(value: unknown): string {
  if (value instanceof Uint8Array) return `[${bytes(value)}]`
  if (value instanceof BigUint64Array || Array.isArray(value)) return `[${Array.from(value, member).join(' ')}]`
  if (typeof value === 'bigint') return hex(value)
  return String(value)
}

/** One line about an exit, for traces and messages: `io out port 0x3f8 size 1 count 1 data 48`. */
export function describeExit(exit: Exit): string {
  switch (exit.reason) {
    case 'io': {
      const data = exit.direction === 'out' ? ` data ${bytes(exit.data)}` : ''
      return `io ${exit.direction} port ${hex(exit.port)} size ${exit.size} count ${exit.count}${data}`
    }
    case 'mmio':
      return exit.isWrite
        ? `mmio write ${hex(exit.address)} data ${bytes(exit.data)}`
        : `mmio read ${hex(exit.address)} size ${exit.data.length}`
    default: {
      const { reason, ...members } = exit
      const rest = Object.entries(members).map(
        ([name, value]: [string, unknown]) =>
          ` ${name} ${name === MSR_MEMBERS[reason] ? showMsr(Number(value)) : member(value)}`,
      )
      return `${reason}${rest.join('')}`
    }
  }
}
