// What the devices of a machine offer to its vCPUs' threads, as the guest sees it.
import { flat, Machine } from 'node-kvm/machine'
import { expect, test } from 'vitest'

import { assemble, HLT, inDx, movAl, movDi, movDx, movEax, outAl, outDx } from './guests.js'

const PM_PORT = 0x600
const PCI_ADDRESS = 0xcf8
const PCI_DATA = 0xcfc
const RESULTS = 0x4000
/** mov [di], eax; add di, 4 */
const STOSD = [0x66, 0xab]
const END = [...movAl(0), ...outAl(0xf4), ...HLT]

/** Runs the guest to its end: what it stored, and how many of its accesses the threads took and JavaScript had. */
async function run(results: number, ...parts: (readonly number[])[]) {
  const image = assemble(movDi(RESULTS), ...parts, END)
  using machine = await Machine.create({ boot: flat({ image, address: 0x8000, mode: 'real' }) })
  await machine.run({ timeout: 60_000 })
  const stored = Array.from({ length: results }, (_, index) => machine.vm.memory.readUint32(RESULTS + 4 * index))
  const { posted, latched, exits } = machine.vm.vcpus[0]!.stats!
  return { stored, accesses: { posted, latched, delivered: exits.io! - posted - latched } }
}

test('the power management timer, and enable and control, need no JavaScript', async () => {
  const timer = [...movDx(PM_PORT + 8), ...inDx(4), ...STOSD]
  const control = [...movDx(PM_PORT + 4), ...movEax(0x1400), ...outDx(2), ...inDx(2), ...STOSD]
  const enable = [...movDx(PM_PORT + 2), ...movEax(0x0100), ...outDx(2), ...movEax(0), ...inDx(2), ...STOSD]
  const { stored, accesses } = await run(5, timer, timer, timer, control, enable)
  expect(stored).toEqual([...stored.slice(0, 3).sort((a, b) => a - b), 0x1401, 0x0100])
  // The two writes, and the end.
  expect(accesses).toEqual({ posted: 0, latched: 5, delivered: 3 })
})

test('nor do ports that nothing answers, and the choice of a register of the clock', async () => {
  const address = [...movDx(PCI_ADDRESS), ...movEax(0x8000_0000), ...outDx(4)]
  const data = [...movDx(PCI_DATA), ...inDx(4), ...STOSD]
  const choose = [...movAl(0x0f), ...outAl(0x70)]
  const { stored, accesses } = await run(2, address, data, address, data, choose)
  expect(stored).toEqual([0xffff_ffff, 0xffff_ffff])
  expect(accesses).toEqual({ posted: 3, latched: 2, delivered: 1 })
})
