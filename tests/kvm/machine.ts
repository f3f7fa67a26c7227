import { type Exit, Kvm, type KvmKind, type Patch, probeHost, type Sregs, type Vcpu, type Vm } from 'node-kvm'

/** Where {@link machine} puts the code. */
export const START = 0x1000
/** How much memory {@link machine} has at address 0, unless told otherwise. */
export const SIZE = 0x1_0000

export const kind: KvmKind = probeHost().kind
/** Whether the processor is emulated, docs/lab.md. */
export const inLab = process.env['NODE_KVM_LAB'] !== undefined

export interface Machine extends Disposable {
  kvm: Kvm
  vm: Vm
  vcpu: Vcpu
}

export interface MachineOptions {
  size?: number
  irqchip?: boolean
  pit?: boolean
  cpuid?: boolean
  /** What is done to the VM before it gets its vCPU. */
  prepare?: (vm: Vm) => void
}

/** A VM with memory at 0 and one vCPU in real mode, about to execute `code`. */
export function machine(code: Uint8Array, options: MachineOptions = {}): Machine {
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  options.prepare?.(vm)
  if (options.irqchip === true) vm.createIrqchip()
  if (options.pit === true) vm.createPit2()
  vm.addMemory({ at: 0, size: options.size ?? SIZE })
  vm.memory.write(START, code)
  const vcpu = vm.createVcpu(0)
  if (options.cpuid === true) vcpu.setCpuid2(kvm.getSupportedCpuid())
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: BigInt(START), rsp: 0x8000n, rflags: 2n })
  return {
    kvm,
    vm,
    vcpu,
    [Symbol.dispose]() {
      vm.close()
      kvm.close()
    },
  }
}

const [PML4, PDPT, LOW_PAGES, HIGH_PAGES] = [0x2000, 0x3000, 0x4000, 0x5000] as const
const PRESENT_WRITABLE = 0b11n
const USER = 1n << 2n
const LARGE = 1n << 7n
const IOPL_3 = 0x3002n
const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 }
const code64 = { ...flat, selector: 0x08, type: 0b1011, l: 1, db: 0 }
const data64 = { ...flat, selector: 0x10, type: 0b0011, l: 0, db: 1 }

const LONG_MODE: Patch<Sregs> = {
  cr0: 0x8000_0031n, // PG, NE, ET, PE
  cr3: BigInt(PML4),
  cr4: 0x20n, // PAE
  efer: 0x500n, // LMA, LME
  ...{ cs: code64, ds: data64, es: data64, fs: data64, gs: data64, ss: data64 },
}

/** The same in 64-bit mode, with the first GiB and the one from 4 GiB on mapped one to one. */
export function longModeMachine(code: Uint8Array, options: MachineOptions = {}): Machine {
  const made = machine(code, { cpuid: true, ...options })
  const { memory } = made.vm
  memory.writeUint64(PML4, BigInt(PDPT) | PRESENT_WRITABLE)
  memory.writeUint64(PDPT, BigInt(LOW_PAGES) | PRESENT_WRITABLE)
  memory.writeUint64(PDPT + 4 * 8, BigInt(HIGH_PAGES) | PRESENT_WRITABLE)
  for (let entry = 0; entry < 512; entry++) {
    const page = BigInt(entry * 0x20_0000)
    memory.writeUint64(LOW_PAGES + entry * 8, page | PRESENT_WRITABLE | LARGE)
    memory.writeUint64(HIGH_PAGES + entry * 8, (page + 0x1_0000_0000n) | PRESENT_WRITABLE | LARGE)
  }
  made.vcpu.setSregs(LONG_MODE)
  return made
}

/** At CPL 3 from here on, where it may use ports and all memory that is mapped. */
export function enterUserMode({ vm, vcpu }: Machine): void {
  for (let entry = PML4; entry < HIGH_PAGES + 4096; entry += 8) {
    const value = vm.memory.readUint64(entry)
    if (value !== 0n) vm.memory.writeUint64(entry, value | USER)
  }
  const data = { dpl: 3, selector: data64.selector | 3 }
  vcpu.setSregs({ cs: { dpl: 3, selector: code64.selector | 3 }, ds: data, es: data, fs: data, gs: data, ss: data })
  vcpu.setRegs({ rflags: IOPL_3 })
}

/** Runs until the next exit. A guest that hangs ends the test with an error instead of hanging it. */
export function run(vcpu: Vcpu): Exit {
  const exit = vcpu.run({ deadline: performance.now() + 60_000 })
  if (exit.reason === 'interrupted') throw new Error(`the guest has not exited for a minute`)
  return exit
}

/** The next exit, which must be of this kind. */
export function runTo<R extends Exit['reason']>(vcpu: Vcpu, reason: R): Extract<Exit, { reason: R }> {
  const exit = run(vcpu)
  if (exit.reason !== reason) throw new Error(`expected ${reason}, got ${exit.reason}`)
  return exit as Extract<Exit, { reason: R }>
}
