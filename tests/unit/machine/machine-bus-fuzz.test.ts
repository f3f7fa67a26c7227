// A guest that reads and writes anything anywhere on the ports of a whole machine, by single and string I/O.
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { accessEach } from '../../../lib/bus/index.js'
import { DebugConsole } from '../../../lib/devices/index.js'
import { type DeviceNode, type MachineDevice, serial } from '../../../lib/machine/index.js'
import { Chipset } from '../../../lib/machine/x86/chipset.js'
import { fuzzRuns } from '../fuzz-runs.js'
import { fakeHost } from './host.js'

const MIB = 2 ** 20

/** The devices of a machine on buses without a VM. */
function machineBus(devices: readonly MachineDevice[]) {
  let written = 0
  const host = fakeHost({ console: (bytes) => (written += bytes.length) })
  const chipset = new Chipset({ cpus: 1, memoryBelow4G: 64 * MIB, memoryAbove4G: 0, suspend: false, fwCfg: true })
  for (const device of [chipset, ...devices]) device.attach(host)
  host.add(log)
  const { ports, mmio } = host
  const mapped = ports.mappings.flatMap(({ start, length }) => Array.from({ length }, (_, index) => start + index))
  return { ports, mmio, chipset, mapped, written: () => written, end: host.end }
}

const log: DeviceNode = { name: 'log', device: new DebugConsole(), resources: [{ port: 0x402, length: 1 }] }

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
      const machine = machineBus([serial(), serial({ line: 2 }), serial({ line: 3 }), serial({ line: 4 })])
      let sent = 0
      for (const { place, anywhere, size, count, write, value } of accesses) {
        const port = anywhere ? place % 0x1_0000 : machine.mapped[place % machine.mapped.length]!
        const data = Uint8Array.from({ length: size * count }, (_, index) => value >> ((index % size) * 8))
        void accessEach(machine.ports, port, size, count, data, write)
        if (write) sent += data.length
        // The same once more at an address of memory that is not there: 8 bytes wide where 64-bit code would.
        const wide = new Uint8Array(8).fill(value)
        if (write) void machine.mmio.write(place * 2 ** 20, wide)
        else void machine.mmio.read(place * 2 ** 20, wide)
        if (value === 7) machine.chipset.pressPowerButton()
      }
      machine.end()
      expect(machine.written()).toBeLessThanOrEqual(sent)
    }),
    fuzzRuns(0.1),
  )
})
