// A guest that reads and writes anything anywhere on the ports of a whole machine, by single and string I/O.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { accessEach, Bus } from '../../../lib/bus/index.js'
import { DebugConsole } from '../../../lib/devices/index.js'
import { type DeviceHost, type MachineDevice, serial } from '../../../lib/machine/index.js'
import { addChipset } from '../../../lib/machine/x86/chipset.js'
import { MIB } from '../boot/sparse-memory.js'
import { fuzzRuns } from '../fuzz-runs.js'

const nothing = () => undefined

/** The devices of a machine on buses without a VM. */
function machineBus(devices: readonly MachineDevice[]) {
  const ports = new Bus({ name: 'port', size: 0x1_0000 })
  const mmio = new Bus({ name: 'mmio', size: 2 ** 52 })
  const ends: (() => void)[] = []
  let written = 0
  const host: DeviceHost = {
    ports,
    mmio,
    fail: () => undefined,
    effects: { powerOff: nothing, reset: nothing, exit: nothing, panic: nothing },
    interrupt: () => ({ set: nothing }),
    mapPorts: (...mapping) => void ports.map(...mapping),
    mapMmio: (...mapping) => void mmio.map(...mapping),
    consoleOutput: (bytes) => (written += bytes.length),
    onEnd: (callback) => ends.push(callback),
  }
  const chipset = addChipset(host, { memoryBelow4G: 64 * MIB, memoryAbove4G: 0 })
  for (const device of devices) device.attach(host)
  const mapped = ports.mappings.flatMap(({ start, length }) => Array.from({ length }, (_, index) => start + index))
  return { ports, mmio, chipset, mapped, written: () => written, end: () => ends.forEach((call) => call()) }
}

const log: MachineDevice = {
  attach: (host) => host.mapPorts(0x402, 1, new DebugConsole()),
}
const access = fc.record({
  // Most are at a device's ports; the rest anywhere.
  place: fc.nat(),
  anywhere: fc.nat(9).map((dice) => dice === 0),
  size: fc.constantFrom(1, 2, 4),
  count: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 64 })),
  write: fc.boolean(),
  value: fc.oneof(fc.nat(255), fc.nat()),
})

test('nothing is thrown, and no more comes out than went in', () => {
  fc.assert(
    fc.property(fc.array(access, { maxLength: 500 }), (accesses) => {
      const machine = machineBus([serial(), serial({ line: 2 }), serial({ line: 3 }), serial({ line: 4 }), log])
      let sent = 0
      for (const { place, anywhere, size, count, write, value } of accesses) {
        const port = anywhere ? place % 0x1_0000 : machine.mapped[place % machine.mapped.length]!
        const data = Uint8Array.from({ length: size * count }, (_, index) => value >> ((index % size) * 8))
        accessEach(machine.ports, port, size, count, data, write)
        if (write) sent += data.length
        // The same once more at an address of memory that is not there: 8 bytes wide where 64-bit code would.
        const wide = new Uint8Array(8).fill(value)
        if (write) machine.mmio.write(place * 2 ** 20, wide)
        else machine.mmio.read(place * 2 ** 20, wide)
        if (value === 7) machine.chipset.pressPowerButton()
      }
      machine.end()
      expect(machine.written()).toBeLessThanOrEqual(sent)
    }),
    fuzzRuns(0.1),
  )
})
