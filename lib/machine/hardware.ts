import { AsyncResource } from 'node:async_hooks'
import { accessEach } from '../bus/access-each.js'
import { Bus } from '../bus/bus.js'
import { onVcpu } from '../bus/device-failure.js'
import type { Device } from '../bus/device.js'
import type { CellHome } from '../bus/mapping.js'
import type { BootResult } from '../boot/types.js'
import { KvmError } from '../errors.js'
import { hex } from '../format.js'
import { lazy } from '../lazy.js'
import type { Exit } from '../kvm/exits.js'
import type { Kvm } from '../kvm/kvm.js'
import type { Vcpu } from '../kvm/vcpu.js'
import type { Vm } from '../kvm/vm.js'
import type { DeviceNode, PlacedHardware } from '../platform/node.js'
import { Platform } from '../platform/platform.js'
import type { Board } from './architecture.js'
import { architecture } from './architectures.js'
import type { BootContext } from './boot-source.js'
import { deviceContext, InterruptLines, type Surroundings } from './device-context.js'
import { Devices } from './devices.js'
import { machineEffects } from './effects.js'
import { cannotGoOn, ExitTable } from './exit-table.js'
import { callAll, deviceError, failure } from './failures.js'
import { type DeviceHost, isNode } from './host.js'
import type { Body, Ending, Life } from './life.js'
import { MACHINE_STATE_VERSION, type MachineState, shapeOf } from './machine-state.js'
import { MmioBus } from './mmio-bus.js'
import type { MachineOrigin } from './origin.js'
import { MachinePci, withConfigSpace } from './pci.js'
import { Observers } from './observers.js'
import type { CheckedMachineOptions } from './options.js'
import type { GuestPlace } from './outcome.js'
import { Pauses } from './pauses.js'
import { Ram } from './ram.js'
import { readDevices, saveDevices } from './saved-devices.js'
import { Trail } from './trail.js'
import { VirtualClock } from './virtual-clock.js'

/** What a machine is made of, and what stays over all lives of its guest: VM, vCPUs, buses, devices, RAM. */
export class Hardware implements Body {
  readonly vm: Vm
  readonly ports: Bus
  readonly mmio: MmioBus
  readonly board: Board
  readonly vcpus: readonly Vcpu[] = []
  readonly devices = new Devices()
  readonly exits: ExitTable
  readonly observers = new Observers()
  readonly pauses: Pauses
  readonly ram: Ram
  /** What the boot loader put where. */
  placed: BootResult['placed'] = []
  readonly #options: CheckedMachineOptions
  readonly #life: () => Life
  readonly #platform = new Platform()
  readonly #lines: InterruptLines
  readonly #around: Surroundings
  readonly #clock = new VirtualClock()
  readonly #pci = lazy(() => new MachinePci(this.#host(), this.board.pci, this.#around, this.#lines))
  // Devices are called in the async context in which they were put in, and not in that of whoever runs the guest.
  readonly #inContext = AsyncResource.bind((call: () => unknown) => call())
  readonly #trail = new Trail()
  // The vCPU whose exit is being handled, or could not be.
  #current: Vcpu | undefined

  /** `life` returns the guest's present one; `origin` is what a machine that is restored begins with. */
  constructor(kvm: Kvm, options: CheckedMachineOptions, life: () => Life, origin?: MachineOrigin) {
    const { strict } = options
    this.#options = options
    this.#life = life
    this.vm = kvm.createVm()
    this.ram = new Ram(this.vm, options)
    try {
      const kind = architecture()
      const fail = (error: unknown) => {
        this.#fail(error)
      }
      const cells = this.#cells()
      this.ports = new Bus({ name: 'port', size: kind.ports, strict, cells, fail })
      this.mmio = new MmioBus(this.vm.memory, { size: kind.addresses, strict, cells, fail })
      this.exits = this.#answers()
      this.#lines = new InterruptLines(this.vm)
      const restored = origin !== undefined && options.onReset === 'end'
      this.board = kind.board(kvm, this.vm, { ...options, restored })
      this.ram.begin(options.regions, origin)
      this.pauses = new Pauses(this, this.#clock, options.pausedClock === 'stop')
      this.#around = this.#surroundings(fail)
      const host = this.#host()
      this.board.devices.attach(host)
      if (options.pci) this.#pci()
      // What says its place gets it before those that let the machine choose.
      const placed = new Map(this.#platform.addAll(options.devices.filter(isNode)).map((node) => [node.name, node]))
      for (const device of options.devices) {
        const node = isNode(device) ? placed.get(device.name) : undefined
        if (!isNode(device)) device.attach(host)
        else if (node !== undefined) this.#put(device, node)
      }
      this.vcpus = this.board.createVcpus()
    } catch (error) {
      const late = callAll([
        () => {
          this.close()
        },
      ])
      throw late.length === 0 ? error : failure([error, ...late], late.length)
    }
  }

  /** Puts the guest into memory, with tables that tell it what there is, and the boot processor at its entry. */
  boot(load: (context: BootContext) => BootResult): void {
    const nodes = this.#nodes()
    const tables = this.board.describe(nodes)
    const result = load({
      memory: this.vm.memory.dma,
      layout: withConfigSpace(this.#options.layout, nodes),
      rsdp: tables.rsdp,
      mapRom: (at, bytes) => {
        this.ram.addRom(at, bytes)
      },
    })
    const left = this.board.enter(result, nodes)
    this.placed = [...result.placed, ...left, ...tables.placed].sort((a, b) => a.start - b.start)
  }

  /**
   * In the order in which they were put in: kernels number devices of a kind in the order of the tables, so a serial line of
   * somebody's own, which comes later, does not become the first one.
   */
  #nodes(): PlacedHardware[] {
    const order = [...this.devices.byName.keys()]
    return this.#platform.nodes.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  }

  /** As when the run began, but for memory that is kept. */
  async reset(): Promise<void> {
    this.#trail.clear()
    await this.#inContext(() => this.devices.reset())
    this.board.reset()
    this.ram.reset(this.#options.onReset === 'warm')
  }

  /** All of it but memory. Every vCPU is outside the guest, every device stands still. */
  save(): MachineState {
    const { devices, vcpus } = this
    if (vcpus.some(({ started, paused }) => started && !paused)) {
      throw new KvmError('ERR_KVM_RUNNING', 'the machine is running; pause() it first')
    }
    return {
      version: MACHINE_STATE_VERSION,
      architecture: process.arch,
      shape: shapeOf(this.#options),
      clock: hex(this.#clock.now()),
      board: this.board.save(),
      devices: saveDevices(devices.byName, this.#platform.nodes),
      memory: this.ram.regions,
    }
  }

  /** All is again as it was restored at first. As for {@link save}. */
  async rewind(origin: MachineOrigin): Promise<void> {
    await this.#inContext(() => this.devices.reset())
    this.ram.restore(origin)
    await this.restore(origin)
  }

  /** Gives it a state that {@link save} returned, of a machine that was made alike. It stands still until its run begins. */
  async restore({ state, continues = false }: MachineOrigin): Promise<void> {
    const restoreDevices = readDevices(state.devices, this.devices.byName, this.#platform.nodes)
    await this.pauses.hold(() => {
      this.#clock.standAt(BigInt(state.clock))
      // Before the interrupt controllers: what a device does to its line is in their state already.
      this.#inContext(restoreDevices)
      const startTime = this.board.restore(state.board, this.#clock)
      if (!continues) this.#inContext(() => this.devices.forked())
      return startTime
    })
  }

  start(vcpu: Vcpu): Promise<void> {
    const run = this.#inContext(() => vcpu.start((exit) => this.#handle(vcpu, exit))) as Promise<void>
    return run.catch((error: unknown) => {
      throw onVcpu(error, vcpu.id, this.#instructionPointer(vcpu))
    })
  }

  place(): GuestPlace {
    const vcpu = this.#current ?? this.vcpus[0]
    return { vcpu: vcpu?.id ?? 0, rip: vcpu === undefined ? undefined : this.#instructionPointer(vcpu) }
  }

  comeOut(): Promise<void> {
    return this.vm.pause()
  }

  async lookForHalt(found: () => void): Promise<void> {
    if (this.pauses.wanted) return
    await this.pauses.outside(() => {
      if (!this.#life().ended && !this.pauses.wanted && this.board.haltedForGood()) found()
    })
  }

  /** Another machine may take what only one can have; this one stands still. */
  async letGo(): Promise<void> {
    await this.#inContext(() => this.devices.letGo())
  }

  /** It goes on here after all. What cannot be had again is a failure of its device. */
  async takeBack(): Promise<void> {
    try {
      await this.#inContext(() => this.devices.takeBack())
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The machine is over: devices let go of what they hold. Once. */
  closeDevices(): ReturnType<Devices['close']> {
    this.#clock.close()
    return this.#inContext(() => this.devices.close()) as ReturnType<Devices['close']>
  }

  closeVm(): void {
    this.vm.close()
    this.ram.close()
  }

  /** Of a machine that could not be put together. */
  close(): void {
    this.closeVm()
    const { thrown } = this.closeDevices()
    if (thrown.length > 0) throw failure(thrown, thrown.length)
  }

  /** Who watches exits has come, or gone: while there is one, every access is an exit. */
  showExits(): void {
    const refresh = () => {
      for (const bus of [this.ports, this.mmio]) bus.refreshCells()
    }
    this.pauses.outside(refresh).catch((error: unknown) => {
      this.#life().fail(error)
    })
  }

  /** For a post-mortem: what can be said of it while every vCPU is outside the guest. */
  remains() {
    return {
      vcpus: this.vcpus.map((vcpu) => this.board.readVcpu(vcpu)),
      ...(this.vm.closed ? {} : { controllers: this.board.readControllers() }),
      memory: this.vm.memory.dma,
      ...this.#trail.report(),
    }
  }

  #handle(vcpu: Vcpu, exit: Exit): void | Promise<void> {
    this.#current = vcpu
    if (this.observers.watchesExits) this.observers.tell('exit', { vcpu: vcpu.id, exit })
    this.#trail.exit(vcpu.id, exit)
    const pending = this.exits.answer(exit, vcpu)
    this.#current = undefined
    return pending
  }

  /** Where the devices' cells take effect: nowhere while somebody wants to see every access. */
  #cells(): CellHome {
    const { vm, observers } = this
    return {
      get closed() {
        return vm.closed || observers.watchesExits
      },
      mapCells: (at, cells, listener) =>
        vm.mapCells(at, cells, (offset, data) => {
          if ('port' in at) this.#trail.posted('out', at.port + offset, data)
          else this.#trail.posted('write', at.address + offset, data)
          listener(offset, data)
        }),
    }
  }

  #answers(): ExitTable {
    const nothing = () => undefined
    const table = new ExitTable((exit) => {
      this.#end(cannotGoOn(exit))
    })
    table.set('io', ({ port, size, count, data, direction }) =>
      accessEach(this.ports, port, size, count, data, direction === 'out'),
    )
    table.set('mmio', ({ address, data, isWrite }) =>
      isWrite ? this.mmio.write(address, data) : this.mmio.read(address, data),
    )
    for (const reason of ['hlt', 'interrupted', 'irq-window-open'] as const) table.set(reason, nothing)
    table.set('shutdown', () => {
      this.#end({ kind: 'triple-fault' })
    })
    return table
  }

  #end(ending: Ending): void {
    this.#life().end(ending)
  }

  #surroundings(fail: (error: unknown) => void): Surroundings {
    return {
      vm: this.vm,
      memory: this.vm.memory.dma,
      clock: this.#clock,
      schedule: this.#clock.schedule,
      effects: machineEffects(this.#life, this.#trail, this.observers),
      vcpu: () => this.#current?.id,
      fail,
    }
  }

  #fail(cause: unknown): void {
    const error = deviceError(cause)
    this.observers.tell('failure', error)
    this.#life().fail(error)
  }

  #host(): DeviceHost {
    const pci = this.#pci
    return {
      ports: this.ports,
      mmio: this.mmio,
      serialLine: (number) => this.board.serialLine(number),
      add: (node) => this.#put(node, this.#platform.add(node)),
      freeName: (stem) => this.#freeName(stem),
      get pci() {
        return pci()
      },
    }
  }

  #freeName(stem: string): string {
    const taken = new Set([...this.devices.byName.keys(), ...this.#platform.nodes.map(({ name }) => name)])
    let number = 0
    while (taken.has(`${stem}${number}`)) number++
    return `${stem}${number}`
  }

  /** Makes a device, and puts it where it was placed. */
  #put({ name, device: given, yields = false }: DeviceNode, placed: PlacedHardware): Device {
    const device = typeof given === 'function' ? given(deviceContext(placed, this.#around, this.#lines)) : given
    for (const resource of placed.resources) {
      if (resource.gsi !== undefined) continue
      const options = { offset: resource.offset ?? 0, yields, name }
      if (resource.port === undefined) this.mmio.map(resource.memory, resource.length, device, options)
      else this.ports.map(resource.port, resource.length, device, options)
    }
    this.devices.add(name, device)
    return device
  }

  /** One that is in the guest cannot be read, and a posted write has no vCPU. */
  #instructionPointer(vcpu: Vcpu): bigint | undefined {
    if (vcpu.closed || (vcpu !== this.#current && vcpu.started && !vcpu.paused)) return undefined
    return this.board.instructionPointer(vcpu)
  }
}
