import { AsyncResource } from 'node:async_hooks'
import { accessEach } from '../bus/access-each.js'
import { Bus } from '../bus/bus.js'
import { onVcpu } from '../bus/device-failure.js'
import type { BootContext } from './boot-source.js'
import { memoryLayout } from '../arch/x86/memory-layout.js'
import type { BootResult } from '../boot/types.js'
import { KvmError } from '../errors.js'
import { hostToBlame } from '../host/processor.js'
import { ConsoleTail } from '../inspect/console-tail.js'
import { LastExits } from '../inspect/last-exits.js'
import type { Remains, VcpuRemains } from '../inspect/post-mortem.js'
import { describeExit } from '../kvm/describe-exit.js'
import type { Exit } from '../kvm/exits.js'
import type { Kvm } from '../kvm/kvm.js'
import type { Vcpu } from '../kvm/vcpu.js'
import type { Vm } from '../kvm/vm.js'
import { watchForHalt } from './halt-watch.js'
import { callAll, deviceError, failure } from './failures.js'
import { deviceHost } from './host.js'
import { MmioBus } from './mmio-bus.js'
import type { CheckedMachineOptions } from './options.js'
import { describeOutcome, mayBeOfTheHost, type GuestPlace, type Outcome } from './outcome.js'
import { addChipset, type Chipset } from './x86/chipset.js'
import { haltedForGood } from './x86/halted.js'
import { stopTime, tellOfPause } from './x86/guest-time.js'
import { gsiTable } from './x86/gsi-table.js'
import { handOver, startsAtReset } from './x86/hand-over.js'
import { nodesOf } from './x86/nodes.js'
import { IDENTITY_MAP_ADDRESS, PORT_COUNT, TSS_ADDRESS } from './x86/platform.js'
import { writeTables } from './x86/tables.js'
import { enter, setUpVcpu } from './x86/vcpu-setup.js'

/** A kernel touches most of its memory; huge pages save it the faults. */
const RAM = { backing: 'anonymous', hugePages: 'transparent' } as const
/** How much of the console a post-mortem shows. */
const CONSOLE_LINES = 20

export type Ending = Outcome extends infer One ? (One extends Outcome ? Omit<One, 'at'> : never) : never

/** One life of a machine's guest: from the boot loader's entry to power-off, reset or death. */
export class Guest {
  readonly vm: Vm
  readonly ports: Bus
  readonly mmio: MmioBus
  readonly vcpus: readonly Vcpu[] = []
  readonly chipset: Chipset
  /** What the boot loader put where. */
  readonly placed: BootResult['placed']
  // Devices are called in the async context in which they were put in, and not in that of whoever runs the guest.
  readonly #inContext = AsyncResource.bind((call: () => unknown) => call())
  readonly #onEnd: (() => void)[] = []
  readonly #exits = new LastExits()
  readonly #console = new ConsoleTail()
  // The vCPU whose exit is being handled.
  #current: Vcpu | undefined
  #outcome: Outcome | undefined
  #running = false
  readonly #clockStops: boolean
  #pauseWanted = false
  // While it is paused: what lets its time go on.
  #startTime: (() => void) | undefined
  // What has failed in it.
  readonly #errors: unknown[] = []

  constructor(kvm: Kvm, options: CheckedMachineOptions, load: (context: BootContext) => BootResult) {
    this.vm = kvm.createVm()
    const fail = (error: unknown) => {
      this.#fail(error)
    }
    this.ports = new Bus({ name: 'port', size: PORT_COUNT, strict: options.strict, cells: this.vm, fail })
    this.mmio = new MmioBus(this.vm, options.strict, fail)
    this.#clockStops = options.pausedClock === 'stop'
    try {
      this.vm.createIrqchip()
      this.vm.createPit2({ speakerDummy: true })
      this.vm.setGsiRouting(gsiTable())
      // Below the largest firmware, above the I/O APIC.
      this.vm.setIdentityMapAddr(IDENTITY_MAP_ADDRESS)
      this.vm.setTssAddr(TSS_ADDRESS)
      const layout = memoryLayout(options.memory)
      for (const { at, size } of layout.ram) this.vm.addMemory({ at, size, ...RAM })
      const effects = {
        powerOff: () => {
          this.end({ kind: 'power-off' })
        },
        reset: (cause: string) => {
          this.end({ kind: 'reset', cause })
        },
        exit: (code: number, value: number) => {
          this.end({ kind: 'exit', code, value })
        },
        panic: () => {
          this.end({ kind: 'panic' })
        },
      }
      const host = deviceHost(this.vm, this.ports, this.mmio, {
        effects,
        consoleOutput: (bytes) => {
          this.#console.write(bytes)
        },
        onEnd: (callback) => this.#onEnd.push(callback),
        fail: (error) => {
          this.#fail(deviceError(error))
        },
      })
      const [below, above] = layout.ram
      this.chipset = addChipset(host, {
        memoryBelow4G: below?.size ?? 0,
        memoryAbove4G: above?.size ?? 0,
      })
      for (const device of options.devices) device.attach(host)
      const nodes = nodesOf(this.ports)
      const tables = writeTables(this.vm.memory, nodes, options)
      const { entry, placed } = load({
        memory: this.vm.memory.dma,
        layout,
        rsdp: tables.rsdp,
        mapRom: (at, bytes) => {
          this.vm.addMemory({ at, size: bytes.length, readonly: true }).write(at, bytes)
        },
      })
      const left = startsAtReset(entry) ? [] : handOver(this.vm, nodes, placed)
      this.placed = [...placed, ...left, ...tables.placed].sort((a, b) => a.start - b.start)
      this.vcpus = Array.from({ length: options.cpus }, (_, id) => this.vm.createVcpu(id))
      const supported = kvm.getSupportedCpuid()
      const tscDeadline = kvm.check('KVM_CAP_TSC_DEADLINE_TIMER') !== 0
      for (const vcpu of this.vcpus) setUpVcpu(vcpu, supported, { id: vcpu.id, count: options.cpus, tscDeadline })
      const boot = this.vcpus[0]
      if (boot !== undefined) enter(boot, entry)
    } catch (error) {
      this.vm.close()
      const late = this.#lifeOver()
      throw failure([error, ...late], late.length)
    }
  }

  /** Runs every vCPU until the guest's life ends. */
  async run(): Promise<Outcome> {
    this.#running = true
    const errors = this.#errors
    // A device can have ended it before it began, or have failed.
    const vcpus = this.#outcome === undefined && errors.length === 0 ? this.vcpus : []
    const endWatch = watchForHalt(vcpus, () => this.#lookForHalt())
    await Promise.all(
      vcpus.map(async (vcpu) => {
        try {
          await this.#inContext(() => vcpu.start((exit) => this.#handle(vcpu, exit)))
        } catch (error) {
          this.#fail(withPlace(onVcpu(error, vcpu.id, this.#rip(vcpu)), vcpu))
        }
      }),
    )
    endWatch()
    this.#running = false
    if (errors.length === 0) this.#outcome ??= { kind: 'stopped', at: this.#place() }
    const late = this.#lifeOver()
    if (this.#outcome === undefined || errors.length + late.length > 0) {
      throw failure([...errors, ...late], late.length, this.#outcome)
    }
    return this.#outcome
  }

  /** Ends the guest's life; the first reason counts. */
  end(ending: Ending): void {
    if (this.#outcome !== undefined) return
    this.#outcome = { ...ending, at: this.#place() }
    this.#stopVcpus()
  }

  /** The same from outside, once every vCPU is out of the guest. */
  async stop(ending: Ending): Promise<void> {
    if (this.#running) await this.vm.pause()
    this.end(ending)
  }

  /** Whether its life is over, or has never to begin. */
  get ended(): boolean {
    return this.#outcome !== undefined
  }

  /** Resolves when every vCPU is out of the guest, where it stays until {@link resume}; its time stands still unless told otherwise. */
  async pause(): Promise<void> {
    this.#pauseWanted = true
    await this.vm.pause()
    // A resume() can have come first, and who has not begun or has ended has no time to stop.
    if (!this.#wantsPause() || this.#startTime !== undefined || !this.#allPaused) return
    const startTime = this.#clockStops ? stopTime(this.vm, this.vcpus, this.chipset) : undefined
    this.#startTime = () => {
      startTime?.()
      tellOfPause(this.vcpus)
    }
  }

  resume(): void {
    this.#pauseWanted = false
    const startTime = this.#startTime
    this.#startTime = undefined
    if (this.#allPaused) startTime?.()
    this.vm.resume()
  }

  /** What can be said of it now: every vCPU is outside the guest. */
  remains(): Remains {
    const outcome = this.#outcome
    const host = outcome !== undefined && mayBeOfTheHost(outcome) ? hostToBlame() : undefined
    return {
      ...(outcome === undefined ? {} : { outcome: outcome.kind }),
      summary: outcome === undefined ? 'the run has no outcome' : describeOutcome(outcome),
      ...(host === undefined ? {} : { host }),
      vcpu: outcome?.at.vcpu ?? 0,
      vcpus: this.vcpus.map(readVcpu),
      ...(this.vm.closed ? {} : { controllers: readControllers(this.vm) }),
      memory: this.vm.memory.dma,
      exits: this.#exits.report(),
      console: this.#console.lines(CONSOLE_LINES),
    }
  }

  /** Closes it. A run ends then, and tells the devices; without one, they are told here. */
  close(): void {
    if (!this.#running) this.end({ kind: 'stopped' })
    this.vm.close()
    if (this.#running) return
    const late = this.#lifeOver()
    if (late.length > 0) throw failure(late, late.length)
  }

  /** Tells the devices, once. Returns what they throw. */
  #lifeOver(): unknown[] {
    return callAll(this.#onEnd.splice(0).map((callback) => () => this.#inContext(callback)))
  }

  #fail(error: unknown): void {
    this.#errors.push(error)
    this.#stopVcpus()
  }

  // A wait can change it behind the compiler's back.
  #wantsPause(): boolean {
    return this.#pauseWanted
  }

  get #allPaused(): boolean {
    return this.vcpus.every(({ paused }) => paused)
  }

  /** Nobody else has paused it: takes it out of the guest for a moment. */
  async #lookForHalt(): Promise<void> {
    if (this.#pauseWanted || this.vcpus.some(({ paused }) => paused)) return
    await this.vm.pause()
    if (this.#wantsPause() || this.ended || !this.#allPaused) return
    let halted = false
    try {
      halted = haltedForGood(this.vm, this.vcpus)
    } finally {
      if (halted) this.end({ kind: 'halted' })
      else this.vm.resume()
    }
  }

  #stopVcpus(): void {
    // What fails on the way, start() tells.
    for (const vcpu of this.vcpus) vcpu.stop().catch(() => undefined)
  }

  #handle(vcpu: Vcpu, exit: Exit): void | Promise<void> {
    this.#current = vcpu
    const pending = this.#answer(vcpu, exit)
    this.#current = undefined
    return pending
  }

  #answer(vcpu: Vcpu, exit: Exit): void | Promise<void> {
    switch (exit.reason) {
      case 'io':
        this.#exits.io(vcpu.id, exit.direction === 'out', exit.port, exit.size, exit.count, exit.data)
        return accessEach(this.ports, exit.port, exit.size, exit.count, exit.data, exit.direction === 'out')
      case 'mmio':
        this.#exits.mmio(vcpu.id, exit.isWrite, exit.address, exit.data)
        return exit.isWrite ? this.mmio.write(exit.address, exit.data) : this.mmio.read(exit.address, exit.data)
      case 'hlt':
      case 'interrupted':
      case 'irq-window-open':
        this.#exits.other(vcpu.id, exit.reason)
        return
      case 'shutdown':
        this.#exits.other(vcpu.id, exit.reason)
        this.end({ kind: 'triple-fault' })
        return
      default: {
        const instruction = exit.reason === 'internal-error' ? exit.instruction : undefined
        const text = describeExit(exit)
        this.#exits.other(vcpu.id, text)
        this.end({
          kind: 'kvm-error',
          exit: text,
          ...(instruction === undefined ? {} : { instruction }),
        })
      }
    }
  }

  #place(): GuestPlace {
    const vcpu = this.#current ?? this.vcpus[0]
    return { vcpu: vcpu?.id ?? 0, rip: vcpu === undefined ? undefined : this.#rip(vcpu) }
  }

  /** Where a vCPU is. One that is in the guest cannot be read, and a posted write has no vCPU. */
  #rip(vcpu: Vcpu): bigint | undefined {
    if (vcpu.closed || (vcpu !== this.#current && vcpu.started && !vcpu.paused)) return undefined
    const { state } = readVcpu(vcpu)
    return state instanceof Error ? undefined : state.regs.rip
  }
}

/** A vCPU's state, or why it cannot be had: one that stands in the middle of an access, or was closed. */
function readVcpu(vcpu: Vcpu): VcpuRemains {
  try {
    const state = { regs: vcpu.getRegs(), sregs: vcpu.getSregs() }
    const interrupts = { events: vcpu.getVcpuEvents(), lapic: vcpu.getLapic() }
    return { id: vcpu.id, mpState: vcpu.getMpState(), state, interrupts }
  } catch (error) {
    if (!(error instanceof KvmError)) throw error
    return { id: vcpu.id, state: error }
  }
}

const readControllers = (vm: Vm) => ({
  master: vm.getIrqchip('pic-master'),
  slave: vm.getIrqchip('pic-slave'),
  ioapic: vm.getIrqchip('ioapic'),
})

/** For an access that nobody answers, where the guest made it; other errors as they are. */
function withPlace(error: unknown, vcpu: Vcpu): unknown {
  if (!(error instanceof KvmError) || error.code !== 'ERR_KVM_UNCLAIMED_ACCESS') return error
  const { state } = readVcpu(vcpu)
  const rip = state instanceof Error ? undefined : state.regs.rip
  const where = rip === undefined ? '' : ` at 0x${rip.toString(16)}`
  return new KvmError(error.code, `${error.message} (vCPU ${vcpu.id}${where})`, {
    operands: { ...error.operands, vcpu: vcpu.id, rip },
    cause: error,
  })
}
