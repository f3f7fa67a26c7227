import { printable } from '../format.js'

/** Where the guest was when its machine ended. */
export interface GuestPlace {
  vcpu: number
  /** The instruction pointer; undefined where it could not be read. */
  rip: bigint | undefined
}

/** How a machine's run ended. */
export type Outcome =
  /** The guest switched the machine off (ACPI S5). */
  | { kind: 'power-off'; at: GuestPlace }
  /** The guest reset the machine, and the machine was not told to boot again. */
  | { kind: 'reset'; at: GuestPlace; cause: string }
  /** The guest wrote `value` to the exit port; `code` is the exit status that isa-debug-exit makes of it. */
  | { kind: 'exit'; at: GuestPlace; code: number; value: number }
  /** The guest's kernel reported a panic (pvpanic). */
  | { kind: 'panic'; at: GuestPlace }
  /** The guest suspended to RAM (ACPI S3), which a machine with the option `suspend` offers. */
  | { kind: 'suspend'; at: GuestPlace }
  /** A vCPU ran into three exceptions in a row. */
  | { kind: 'triple-fault'; at: GuestPlace }
  /** KVM could not go on: an instruction that it cannot emulate, or a state that the processor refuses. */
  | { kind: 'kvm-error'; at: GuestPlace; exit: string; instruction?: Uint8Array }
  /** Every vCPU has halted with interrupts off: nothing can wake the guest. Found within seconds. */
  | { kind: 'halted'; at: GuestPlace }
  /** `machine.stop()` was called. */
  | { kind: 'stopped'; at: GuestPlace }
  /** It goes on elsewhere: `machine.migrate()`. */
  | { kind: 'migrated'; at: GuestPlace }
  /** The time limit passed. */
  | { kind: 'timeout'; at: GuestPlace }

/** Whether KVM itself may be the reason, where it emulates instructions. */
export function mayBeOfTheHost({ kind }: Outcome): boolean {
  return kind === 'triple-fault' || kind === 'kvm-error' || kind === 'timeout'
}

/** One line about an outcome, that a terminal and a log show and do not obey. */
export function describeOutcome(outcome: Outcome): string {
  return printable(describe(outcome))
}

function describe(outcome: Outcome): string {
  const { at } = outcome
  const where = ` (vCPU ${at.vcpu}${at.rip === undefined ? '' : ` at 0x${at.rip.toString(16)}`})`
  switch (outcome.kind) {
    case 'power-off':
      return `the guest switched off${where}`
    case 'reset':
      return `the guest reset the machine by ${outcome.cause}${where}`
    case 'exit':
      return `the guest ended with code ${outcome.code}${where}`
    case 'panic':
      return `the guest's kernel panicked${where}`
    case 'suspend':
      return `the guest suspended to RAM${where}`
    case 'triple-fault':
      return `triple fault${where}`
    case 'kvm-error':
      return `KVM cannot go on: ${outcome.exit}${where}`
    case 'halted':
      return `the guest has halted for good, with interrupts off${where}`
    case 'stopped':
      return `stopped${where}`
    case 'migrated':
      return `it goes on elsewhere${where}`
    case 'timeout':
      return `time limit reached${where}`
  }
}
