// Every device that comes with the package, and that of the lesson on devices, as the contract tests and the fuzzer take them.
import { CopyEngine } from '../../../examples/devices/copy-engine.js'
import type { Device } from '../../../lib/bus/index.js'
import {
  AcpiPm,
  DebugConsole,
  DebugExit,
  FwCfg,
  GenerationId,
  Hpet,
  I8042,
  PostCode,
  PvPanic,
  ResetControl,
  Rtc,
  type RtcState,
  Serial,
  type SerialState,
  SystemControlA,
  SystemControlB,
} from '../../../lib/devices/index.js'
import { B_RESET, REGISTER_B, REGISTER_C } from '../../../lib/devices/rtc-registers.js'
import { OpenBus } from '../../../lib/machine/x86/open-bus.js'
import { PciPorts } from '../../../lib/machine/x86/pci-ports.js'
import { ConfigPorts, type PciContext } from '../../../lib/pci/index.js'
import { StateReader } from '../../../lib/state.js'
import { IDENTITY, pciBus } from '../pci/pci.js'
import { plainMemory } from '../../../lib/memory/plain-memory.js'
import { TestClock } from './access.js'

/** A device under test, and everything around it. */
export interface Subject {
  device: Device
  clock: TestClock
  /** What it did beyond its registers, in order: interrupt levels, callbacks, writes to memory. */
  effects: unknown[]
  /** Something that its host, or the guest by its memory, does to it. */
  host?: (value: number) => void
}

export interface SubjectKind {
  /** How many registers' bytes it has. */
  length: number
  make: (clock?: TestClock) => Subject
  /** What of its state is as new after a reset. Default: all. */
  renewed?: (state: object) => unknown
}

const start = () => new TestClock(BigInt(Date.UTC(2026, 0, 1)) * 1_000_000n)

/** A kind of device that is made of effects to tell of, and a clock. */
function kind(
  length: number,
  make: (told: (name: string) => (...values: unknown[]) => void, clock: TestClock) => Pick<Subject, 'device' | 'host'>,
  renewed?: (state: object) => unknown,
): SubjectKind {
  return {
    length,
    make(clock = start()) {
      const effects: unknown[] = []
      const told =
        (name: string) =>
        (...values: unknown[]) =>
          void effects.push([name, ...values])
      return { clock, effects, ...make(told, clock) }
    },
    ...(renewed === undefined ? {} : { renewed }),
  }
}

const line = (told: (name: string) => (level: boolean) => void) => ({ set: told('interrupt') })

export const SUBJECTS: Record<string, SubjectKind> = {
  Serial: kind(
    8,
    (told) => {
      const device = new Serial({
        receiveBuffer: 64,
        interrupt: line(told),
        output: told('output'),
        onDrain: told('drain'),
      })
      const host = (value: number) => {
        if (value % 3 === 0) device.receive(new Uint8Array(value % 256))
        else if (value % 3 === 1) device.receiveBreak()
        else device.setModemLines({ clearToSend: (value & 4) !== 0, ringIndicator: (value & 8) !== 0 })
      }
      return { device, host }
    },
    // What the other end of the wire holds, and what has come from there since.
    (state) => ({ ...(state as SerialState), modemLines: 0, backlog: [], fifo: [] }),
  ),
  I8042: kind(5, (told) => {
    const device = new I8042({ interrupt: line(told), reset: told('reset'), a20: told('a20') })
    return { device, host: (value) => device.sendScancodes(Uint8Array.of(value & 0xff, value >> 8)) }
  }),
  Rtc: kind(
    2,
    (told, clock) => ({
      device: new Rtc({ clock, schedule: clock.schedule, interrupt: line(told) }),
      host: (value) => {
        clock.pass(value / 1000)
      },
    }),
    // The rest has a battery.
    (state) => {
      const { index, cmos } = state as RtcState
      return [index, (cmos[REGISTER_B] ?? 0) & B_RESET, cmos[REGISTER_C]]
    },
  ),
  AcpiPm: kind(20, (told, clock) => {
    const device = new AcpiPm({
      clock,
      schedule: clock.schedule,
      interrupt: line(told),
      powerOff: told('powerOff'),
      reset: told('reset'),
      sleep: told('sleep'),
    })
    const host = (value: number) => {
      if (value % 2 === 0) device.pressPowerButton()
      else clock.pass(value)
    }
    return { device, host }
  }),
  Hpet: kind(0x170, (told, clock) => {
    const lines = new Map([16, 17].map((number) => [number, { set: told(`line ${number}`) }]))
    const legacy = { timer: { set: told('timer') }, clock: { set: told('clock') }, replaced: told('replaced') }
    const device = new Hpet({ clock, schedule: clock.schedule, lines, legacy })
    const host = (value: number) => {
      // Whatever a guest of any kind writes, its timers are mostly off: these run.
      device.write(0x10, Uint8Array.of(1))
      device.write(0x100 + 0x20 * (value % 3), Uint8Array.of(0x4e & value, (value >> 8) & 0x23))
      clock.pass(value / 1e8)
    }
    return { device, host }
  }),
  FwCfg: kind(12, (told) => {
    const memory = plainMemory({ at: 0, size: 0x1000 })
    memory.trackWrites(told('memory'))
    const device = new FwCfg({ memory })
    device.addFile('etc/rw', new Uint8Array(16), { writable: true })
    // The guest writes a DMA descriptor for any item, of any length, to any address (QEMU docs/specs/fw_cfg.rst).
    const host = (value: number) => {
      const descriptor = new DataView(new ArrayBuffer(16))
      descriptor.setUint32(0, ((value % 0x30) << 16) | (value & 0x1f))
      descriptor.setUint32(4, value % 5 === 0 ? 0xffff_ffff : value % 40)
      descriptor.setUint32(12, value % 7 === 0 ? 0xffff_fff0 : value & 0xfff)
      if (value % 11 === 0) descriptor.setUint32(8, value)
      memory.write(value & 0xf0, new Uint8Array(descriptor.buffer))
    }
    return { device, host }
  }),
  GenerationId: kind(
    0x10,
    (told) => {
      const memory = plainMemory({ at: 0, size: 0x1000 })
      memory.trackWrites(told('memory'))
      return { device: new GenerationId({ memory, address: 0x800, interrupt: line(told) }) }
    },
    // A machine that was reset is the same machine.
    () => undefined,
  ),
  DebugConsole: kind(1, (told) => ({ device: new DebugConsole({ output: told('output') }) })),
  DebugExit: kind(4, (told) => ({ device: new DebugExit({ exit: told('exit') }) })),
  PvPanic: kind(1, (told) => ({ device: new PvPanic({ event: told('event') }) })),
  PostCode: kind(1, (told) => ({ device: new PostCode({ code: told('code') }) })),
  ResetControl: kind(1, (told) => ({ device: new ResetControl({ reset: told('reset') }) })),
  SystemControlA: kind(1, (told) => ({ device: new SystemControlA({ reset: told('reset'), a20: told('a20') }) })),
  SystemControlB: kind(1, () => ({ device: new SystemControlB() })),
  OpenBus: kind(8, () => ({ device: new OpenBus(8) })),
  PciPorts: kind(8, (told) => ({ device: new PciPorts(new ResetControl({ reset: told('reset') })) })),
  PciFunction: kind(0x100, (told, clock) => {
    const test = pciBus(clock, told('effect'))
    let context: PciContext | undefined
    let dice = 0
    const registers = { read: (_: number, data: Uint8Array) => data.fill(dice), write: told('written') }
    const device = test.add((given) => {
      context = given
      return {
        ...{ identity: IDENTITY, pin: true, vectors: 3 },
        bars: [
          { kind: 'memory', length: 0x100, width: 64, device: registers },
          { kind: 'port', length: 8, device: registers },
        ],
        capabilities: [{ id: 9, bytes: Uint8Array.of(4, 0), writable: Uint8Array.of(0, 0xf0) }],
        reset: () => void (dice = 0),
        save: () => ({ version: 1, dice }),
        restore: (state: object) => void (dice = new StateReader('the dice', state, 1).integer('dice', 6)),
      }
    })
    const host = (value: number) => {
      dice = value % 7
      context?.interrupt().set((value & 0x10) !== 0)
      context?.vector(value % 3).trigger()
      context?.memory.write(value & 0xfff, Uint8Array.of(dice))
      const { start } = device.bars[value % 3]!
      const data = new Uint8Array(1 + (value % 8))
      if (start !== undefined)
        void (value % 3 === 1 ? test.ports : test.mmio).write(start + (value % 50), data.fill(value))
    }
    return { device, host }
  }),
  ConfigPorts: kind(8, (told) => {
    const test = pciBus()
    return { device: new ConfigPorts(test.bus, { read: (_, data) => data.fill(0xff), write: told('byte') }) }
  }),
  CopyEngine: kind(0x18, (told) => {
    const memory = plainMemory({ at: 0, size: 0x1000 })
    memory.trackWrites(told('memory'))
    return { device: new CopyEngine(memory, line(told)) }
  }),
}
