// One variant for every KVM_EXIT_* of the kernel API (KVM API, section 5 "The kvm_run structure").
//
// An exit object belongs to its vCPU and is valid until that vCPU's next run(): the next exit of the same kind may
// reuse it, and its live members (named so below) are the kernel's own page. Copy what you keep.

/** KVM_EXIT_IO: the guest executed a port I/O instruction that no in-kernel device handles. */
export interface IoExit {
  readonly reason: 'io'
  /** `in`: the guest reads; `out`: the guest writes. */
  readonly direction: 'in' | 'out'
  readonly port: number
  /** Width of one access in bytes: 1, 2 or 4. */
  readonly size: number
  /** How many accesses of that width: more than 1 for `rep ins` and `rep outs`. */
  readonly count: number
  /** Live, `size * count` bytes: what the guest wrote; for `in`, fill it before the next run(). */
  readonly data: Uint8Array
}

/** KVM_EXIT_MMIO: the guest accessed a physical address that has no memory (or wrote to read-only memory). */
export interface MmioExit {
  readonly reason: 'mmio'
  /** Guest physical address. */
  readonly address: number
  readonly isWrite: boolean
  /** Live, 1 to 8 bytes, as wide as the access: what the guest wrote; for a read, fill it before the next run(). */
  readonly data: Uint8Array
}

/** KVM_EXIT_HLT: the guest halted, and there is no in-kernel local APIC that could wake it. */
export interface HltExit {
  readonly reason: 'hlt'
}

/** KVM_EXIT_SHUTDOWN: the guest shut down, on x86 by a triple fault. */
export interface ShutdownExit {
  readonly reason: 'shutdown'
}

/** run() came back without an exit: its deadline passed, or the vCPU was kicked (KVM_EXIT_INTR). */
export interface InterruptedExit {
  readonly reason: 'interrupted'
  readonly cause: 'deadline' | 'kick'
}

/** KVM_EXIT_DEBUG: a single step, or a breakpoint that setGuestDebug() asked for. The members are x86's. */
export interface DebugExit {
  readonly reason: 'debug'
  /** The exception's vector: 1 (#DB) or 3 (#BP). */
  readonly exception: number
  /** The guest's linear instruction pointer. */
  readonly pc: bigint
  readonly dr6: bigint
  readonly dr7: bigint
}

/** KVM_EXIT_FAIL_ENTRY: the processor refused to enter the guest. */
export interface FailEntryExit {
  readonly reason: 'fail-entry'
  /** The hardware's reason: the VM-exit reason on Intel, the exit code on AMD. */
  readonly hardwareEntryFailureReason: bigint
  /** The host CPU on which it happened. */
  readonly cpu: number
}

/** KVM_EXIT_INTERNAL_ERROR: KVM itself could not go on with this guest. */
export interface InternalErrorExit {
  readonly reason: 'internal-error'
  /** KVM_INTERNAL_ERROR_*. */
  readonly suberror: number
  readonly suberrorName: 'emulation' | 'simul-ex' | 'delivery-ev' | 'unexpected-exit-reason' | 'unknown'
  /** As many words as the kernel filled, at most 16. */
  readonly data: readonly bigint[]
  /** `emulation`: which of the optional members below are valid. */
  readonly emulationFlags?: bigint
  /** `emulation`: the bytes of the instruction that KVM could not emulate, up to 15, when the kernel gives them. */
  readonly instruction?: Uint8Array
}

/** KVM_EXIT_SYSTEM_EVENT: the guest asked for a shutdown, a reset and the like (arm64: through PSCI). */
export interface SystemEventExit {
  readonly reason: 'system-event'
  /** KVM_SYSTEM_EVENT_*. */
  readonly type: number
  readonly typeName: 'shutdown' | 'reset' | 'crash' | 'wakeup' | 'suspend' | 'sev-term' | 'tdx-fatal' | 'unknown'
  readonly data: readonly bigint[]
}

/** KVM_EXIT_HYPERCALL: set `ret` before the next run(). */
export interface HypercallExit {
  readonly reason: 'hypercall'
  readonly nr: bigint
  readonly args: readonly bigint[]
  readonly longmode: number
  /** Live: what the guest gets as result. */
  ret: bigint
}

/** KVM_EXIT_X86_RDMSR: the guest reads an MSR that was left to the VMM. Set `data`, or `error`, before the next run(). */
export interface X86RdmsrExit {
  readonly reason: 'x86-rdmsr'
  readonly index: number
  /** KVM_MSR_EXIT_REASON_* (the kernel's `reason`): 1 invalid, 2 unknown, 4 filtered. */
  readonly msrReason: number
  /** Live: the value for the guest. */
  data: bigint
  /** Live: 1 injects #GP into the guest. */
  error: number
}

/** KVM_EXIT_X86_WRMSR: the guest writes an MSR that was left to the VMM. */
export interface X86WrmsrExit {
  readonly reason: 'x86-wrmsr'
  readonly index: number
  /** KVM_MSR_EXIT_REASON_* (the kernel's `reason`): 1 invalid, 2 unknown, 4 filtered. */
  readonly msrReason: number
  readonly data: bigint
  /** Live: 1 injects #GP into the guest. */
  error: number
}

/** KVM_EXIT_HYPERV: a Hyper-V enlightenment that the VMM has to serve. */
export type HypervExit = { readonly reason: 'hyperv' } & (
  | {
      readonly type: 'synic'
      readonly msr: number
      readonly control: bigint
      readonly evtPage: bigint
      readonly msgPage: bigint
    }
  | {
      readonly type: 'hcall'
      readonly input: bigint
      readonly params: readonly bigint[]
      /** Live: what the guest gets as result. */
      result: bigint
    }
  | {
      readonly type: 'syndbg'
      readonly msr: number
      readonly control: bigint
      /** Live: what the guest gets as status. */
      status: bigint
      readonly sendPage: bigint
      readonly recvPage: bigint
      readonly pendingPage: bigint
    }
  | { readonly type: 'unknown'; readonly typeNumber: number }
)

/** KVM_EXIT_XEN: a hypercall of a Xen guest. */
export interface XenExit {
  readonly reason: 'xen'
  /** KVM_EXIT_XEN_*: 1 is a hypercall. */
  readonly type: number
  readonly longmode: number
  readonly cpl: number
  readonly input: bigint
  readonly params: readonly bigint[]
  /** Live: what the guest gets as result. */
  result: bigint
}

/** KVM_EXIT_TDX: a TDVMCALL that the VMM has to serve. Set `ret`, and the words of `data` that the call returns. */
export interface TdxExit {
  readonly reason: 'tdx'
  readonly flags: bigint
  readonly nr: bigint
  /** Live: the call's status. */
  ret: bigint
  /** Live: five words whose meaning depends on `nr`. */
  readonly data: BigUint64Array
}

/** KVM_EXIT_MEMORY_FAULT: KVM cannot resolve an access to guest memory (KVM_CAP_MEMORY_FAULT_INFO). */
export interface MemoryFaultExit {
  readonly reason: 'memory-fault'
  /** Bit 3: an access to private memory. */
  readonly flags: bigint
  readonly gpa: bigint
  readonly size: bigint
}

/** Exits whose payload is a few plain numbers, in the kernel's names turned to camel case. */
export type PlainExit =
  | { readonly reason: 'exception'; readonly exception: number; readonly errorCode: number }
  | { readonly reason: 'irq-window-open' }
  | { readonly reason: 'set-tpr' }
  | { readonly reason: 'tpr-access'; readonly rip: bigint; readonly isWrite: number }
  | { readonly reason: 'nmi' }
  | { readonly reason: 'watchdog' }
  | { readonly reason: 'ioapic-eoi'; readonly vector: number }
  | { readonly reason: 'dirty-ring-full' }
  | { readonly reason: 'ap-reset-hold' }
  | { readonly reason: 'x86-bus-lock' }
  | { readonly reason: 'notify'; readonly flags: number }
  | { readonly reason: 'arm-nisv'; readonly esrIss: bigint; readonly faultIpa: bigint }
  | { readonly reason: 'arm-ldst64b'; readonly esrIss: bigint; readonly faultIpa: bigint }
  | {
      readonly reason: 'arm-sea'
      readonly flags: bigint
      readonly esr: bigint
      readonly gva: bigint
      readonly gpa: bigint
    }
  | { readonly reason: 'snp-req-certs'; readonly gpa: bigint; npages: bigint; ret: bigint }
  | { readonly reason: 's390-sieic'; readonly icptcode: number; readonly ipa: number; readonly ipb: number }
  | { readonly reason: 's390-reset'; readonly flags: bigint }
  | { readonly reason: 's390-ucontrol'; readonly transExcCode: bigint; readonly pgmCode: number }
  | {
      readonly reason: 's390-tsch'
      readonly subchannelId: number
      readonly subchannelNr: number
      readonly ioIntParm: number
      readonly ioIntWord: number
      readonly ipb: number
      readonly dequeued: number
    }
  | {
      readonly reason: 's390-stsi'
      readonly addr: bigint
      readonly ar: number
      readonly fc: number
      readonly sel1: number
      readonly sel2: number
    }
  | { readonly reason: 'dcr'; readonly dcrn: number; data: number; readonly isWrite: number }
  | { readonly reason: 'osi'; readonly gprs: readonly bigint[] }
  | { readonly reason: 'papr-hcall'; readonly nr: bigint; readonly args: readonly bigint[]; ret: bigint }
  | { readonly reason: 'epr'; epr: number }
  | {
      readonly reason: 'riscv-sbi'
      readonly extensionId: bigint
      readonly functionId: bigint
      readonly args: readonly bigint[]
      /** Live: two words. */
      readonly ret: BigUint64Array
    }
  | {
      readonly reason: 'riscv-csr'
      readonly csrNum: bigint
      readonly newValue: bigint
      readonly writeMask: bigint
      retValue: bigint
    }
  | {
      readonly reason: 'loongarch-iocsr'
      readonly address: number
      readonly isWrite: boolean
      /** Live, as wide as the access. */
      readonly data: Uint8Array
    }

/** KVM_EXIT_UNKNOWN, and every exit that a newer kernel may add. */
export interface UnknownExit {
  readonly reason: 'unknown'
  /** The kernel's number. */
  readonly exitReason: number
  /** The hardware's number, for KVM_EXIT_UNKNOWN. */
  readonly hardwareExitReason: bigint
}

/** What run() returns: discriminated by `reason`, the kernel's KVM_EXIT_* name in lower case with dashes. */
export type Exit =
  | IoExit
  | MmioExit
  | HltExit
  | ShutdownExit
  | InterruptedExit
  | DebugExit
  | FailEntryExit
  | InternalErrorExit
  | SystemEventExit
  | HypercallExit
  | X86RdmsrExit
  | X86WrmsrExit
  | HypervExit
  | XenExit
  | TdxExit
  | MemoryFaultExit
  | PlainExit
  | UnknownExit

/** Every value of {@link Exit}'s `reason`. */
export type ExitReason = Exit['reason']
