import type { BootResult } from '../../boot/types.js'
import type { Placed } from '../../memory/placed.js'
import { KvmError } from '../../errors.js'
import type { VcpuRemains } from '../../inspect/post-mortem.js'
import type { Kvm } from '../../kvm/kvm.js'
import type { Vcpu } from '../../kvm/vcpu.js'
import type { Vm } from '../../kvm/vm.js'
import type { X86VmState } from '../../snapshot/x86/vm.js'
import { GSI_COUNT } from '../../platform/interrupt-lines.js'
import type { DeviceNode, PlacedHardware } from '../../platform/node.js'
import { PNP_SERIAL_16550A } from '../../platform/pnp-ids.js'
import { checkInteger } from '../../validate.js'
import type { Architecture, Board, BoardOptions } from '../architecture.js'
import { Chipset } from './chipset.js'
import { machineCpuid, vcpuCpuid } from './cpuid.js'
import { gsiTable } from './gsi-table.js'
import { type GuestTime, startTime, type StoppableClock, stopTime, tellOfPause } from './guest-time.js'
import { haltedForGood } from './halted.js'
import { handOver, startsAtReset } from './hand-over.js'
import { pciPlaces } from './pci-root.js'
import * as P from './platform.js'
import { resetState } from './reset-state.js'
import { restoreBoard, saveBoard } from './saved-board.js'
import { writeTables } from './tables.js'
import { enter, setUpVcpu } from './vcpu-setup.js'

/** A PC: local APICs, an I/O APIC and two 8259s in the kernel, an i8254, ACPI and MP tables. */
class PcBoard implements Board {
  readonly interruptLines = GSI_COUNT
  readonly pci = pciPlaces
  readonly devices: Chipset
  readonly #kvm: Kvm
  readonly #vm: Vm
  readonly #options: BoardOptions
  #vcpus: readonly Vcpu[] = []
  #reset: () => void = () => undefined
  // While the guest's time stands still.
  #stopped: GuestTime | undefined

  constructor(kvm: Kvm, vm: Vm, options: BoardOptions) {
    this.#kvm = kvm
    this.#vm = vm
    this.#options = options
    vm.createIrqchip()
    if (options.timer) vm.createPit2({ speakerDummy: true })
    vm.setGsiRouting(gsiTable())
    // Below the largest firmware, above the I/O APIC.
    vm.setIdentityMapAddr(P.IDENTITY_MAP_ADDRESS)
    vm.setTssAddr(P.TSS_ADDRESS)
    const [below, above] = options.layout.ram
    this.devices = new Chipset({
      memoryBelow4G: below?.size ?? 0,
      memoryAbove4G: above?.size ?? 0,
      suspend: options.suspend,
      cpus: options.cpus,
      fwCfg: options.fwCfg,
    })
  }

  serialLine(number: number): Pick<DeviceNode, 'resources' | 'acpi'> {
    checkInteger('line', number, 1, P.SERIAL_LINES.length)
    const { port, gsi } = P.SERIAL_LINES[(number - 1) as 0 | 1 | 2 | 3]
    return {
      resources: [{ port, length: P.SERIAL_LENGTH }, { gsi }],
      acpi: { hid: PNP_SERIAL_16550A, name: `COM${number}`, uid: number },
    }
  }

  createVcpus(): Vcpu[] {
    const { cpus, cpuid } = this.#options
    const vcpus = Array.from({ length: cpus }, (_, id) => this.#vm.createVcpu(id))
    this.#vcpus = vcpus
    if (this.#options.restored) return vcpus
    const tscDeadline = this.#kvm.check('KVM_CAP_TSC_DEADLINE_TIMER') !== 0
    const table = machineCpuid(this.#kvm.getSupportedCpuid(), tscDeadline)
    for (const vcpu of vcpus) {
      const entries = vcpuCpuid(table, { id: vcpu.id, count: cpus })
      setUpVcpu(vcpu, cpuid === undefined ? entries : cpuid(entries, vcpu.id))
    }
    return vcpus
  }

  describe(nodes: readonly PlacedHardware[]): { rsdp: number; placed: Placed[] } {
    return writeTables(this.#vm.memory.dma, nodes, this.#options)
  }

  enter({ entry, placed }: BootResult, nodes: readonly PlacedHardware[]): Placed[] {
    const left = startsAtReset(entry)
      ? []
      : [...handOver(this.#vm, nodes, placed, this.#options.timer), ...this.devices.place()]
    const [boot] = this.#vcpus
    if (boot !== undefined) enter(boot, entry)
    return left
  }

  remember(): void {
    this.#reset = resetState(this.#vm, this.#vcpus, this.#kvm.getMsrIndexList(), this.#options.timer)
  }

  reset(): void {
    this.#stopped = undefined
    this.#reset()
  }

  stopTime(clock: StoppableClock): () => void {
    return this.#keepStopped(clock, stopTime(this.#vm, this.#vcpus, clock, this.#options.timer))
  }

  save(): X86VmState {
    return saveBoard(this.#kvm, this.#vm, this.#stopped)
  }

  restore(state: object, clock: StoppableClock): () => void {
    return this.#keepStopped(clock, restoreBoard(this.#vm, state as X86VmState, this.#options.timer))
  }

  tellOfPause(): void {
    tellOfPause(this.#vcpus)
  }

  haltedForGood(): boolean {
    return haltedForGood(this.#vm, this.#vcpus)
  }

  pressPowerButton(): boolean {
    return this.devices.pressPowerButton()
  }

  instructionPointer(vcpu: Vcpu): bigint | undefined {
    const { state } = this.readVcpu(vcpu)
    return state instanceof Error ? undefined : state.regs.rip
  }

  /** Not for one that stands in the middle of an access, or was closed. */
  readVcpu(vcpu: Vcpu): VcpuRemains {
    try {
      const state = { regs: vcpu.getRegs(), sregs: vcpu.getSregs() }
      const interrupts = { events: vcpu.getVcpuEvents(), lapic: vcpu.getLapic() }
      return { id: vcpu.id, mpState: vcpu.getMpState(), state, interrupts }
    } catch (error) {
      if (!(error instanceof KvmError)) throw error
      return { id: vcpu.id, state: error }
    }
  }

  readControllers() {
    return {
      master: this.#vm.getIrqchip('pic-master'),
      slave: this.#vm.getIrqchip('pic-slave'),
      ioapic: this.#vm.getIrqchip('ioapic'),
    }
  }

  #keepStopped(clock: StoppableClock, time: GuestTime): () => void {
    this.#stopped = time
    return () => {
      this.#stopped = undefined
      startTime(this.#vm, this.#vcpus, clock, time)
    }
  }
}

export const x86: Architecture = {
  ports: P.PORT_COUNT,
  addresses: P.PHYSICAL_ADDRESSES,
  board: (kvm, vm, options) => new PcBoard(kvm, vm, options),
}
