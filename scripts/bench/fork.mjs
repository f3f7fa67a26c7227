// @ts-check
// What a fork costs, over the size of its memory; what it costs to put one back, over the pages that it wrote; and what many of them hold.
import { flat, Machine } from 'node-kvm/machine'
import { buildProgram, runProgram } from './baseline.mjs'
import { median } from './rounds.mjs'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */
/** @import { Template } from 'node-kvm/machine' */

const MIB = 2 ** 20
const SIZES = [64, 1024, 4096]
const WRITTEN = [16, 4096]
const PAGE = 4096
const MANY = 1000
const MICROSECOND = 1_000 // ns
const PORT = 0x660
/** mov dx, PORT; out dx, al; jmp to it */
const IMAGE = Uint8Array.of(0xba, 0x60, 0x06, 0xee, 0xeb, 0xfd)

/** @type {Bench} */
export const fork = {
  about: 'a fork of a machine, over its memory; to put one back, over what it wrote; a thousand alive',
  rounds: 7,
  count: 20,
  async prepare(count) {
    if (process.arch !== 'x64') throw new Error(`its guest is an x86 program; there is none for ${process.arch}`)
    const program = buildProgram('fork')
    /** @type {Case[]} */
    const cases = []
    for (const size of SIZES) {
      const template = await templateOf(size)
      const inC = (/** @type {string} */ what) =>
        median(runProgram(program, what, count, size * MIB, 0, '.')) / MICROSECOND
      cases.push(
        ...pair(
          `fork ${size} MiB`,
          1.5,
          () => inC('fork'),
          () => forks(template, count, false),
        ),
        ...pair(
          `fork → first access ${size} MiB`,
          1.5,
          () => inC('first'),
          () => forks(template, count, true),
        ),
      )
    }
    for (const written of WRITTEN) {
      const template = await templateOf(64)
      const inC = () => median(runProgram(program, 'reset', count, 64 * MIB, written, '.')) / MICROSECOND
      cases.push(...pair(`reset ${written} pages`, 1.3, inC, () => resets(template, count, written)))
    }
    const template = await templateOf(64)
    const name = `${MANY} forks, each`
    cases.push({ name, against: name, unit: 'MiB', limit: 0.5, measure: () => held(template) })
    return cases
  },
}

/** @param {string} name @param {number} target @param {() => number} floor @param {() => Promise<number>} here @returns {Case[]} */
export function pair(name, target, floor, here) {
  const inC = `${name}, in C`
  const common = { against: inC, unit: 'µs' }
  return [
    { ...common, name: inC, measure: floor },
    { ...common, name, target, measure: here },
  ]
}

/** @param {number} size in MiB */
export async function machineOf(size) {
  const boot = flat({ image: IMAGE, address: 0x8000, mode: 'real' })
  return Machine.create({ memory: size * MIB, backing: 'memfd', boot, devices: [listener(() => {})] })
}

/** @param {number} size in MiB */
async function templateOf(size) {
  const machine = await machineOf(size)
  const template = await machine.freeze()
  machine.close()
  return template
}

/** @param {() => void} heard */
export const listener = (heard) => ({
  name: 'listener',
  resources: [{ port: PORT, length: 1 }],
  device: { read: () => undefined, write: heard },
})

/** @param {Template} template @param {number} count @param {boolean} runs to its first access */
async function forks(template, count, runs) {
  const times = []
  for (let done = 0; done < count; done++) {
    const start = process.hrtime.bigint()
    let arrived = 0n
    /** @type {Machine | undefined} */
    let machine
    const heard = () => {
      arrived = process.hrtime.bigint()
      void machine?.stop()
    }
    machine = await template.fork({ devices: [listener(heard)] })
    if (runs) await machine.run()
    else arrived = process.hrtime.bigint()
    times.push(Number(arrived - start))
    machine.close()
  }
  return median(times) / MICROSECOND
}

/** @param {Template} template @param {number} count @param {number} written */
async function resets(template, count, written) {
  const machine = await template.fork({ devices: [listener(() => {})] })
  const times = []
  for (let done = 0; done < count; done++) {
    for (let page = 1; page <= written; page++) machine.vm.memory.write(page * 2 * PAGE, Uint8Array.of(1))
    const start = process.hrtime.bigint()
    await machine.rewind()
    times.push(Number(process.hrtime.bigint() - start))
  }
  machine.close()
  return median(times) / MICROSECOND
}

/** How much resident memory each of many forks takes. @param {Template} template */
async function held(template) {
  const machines = []
  const before = process.memoryUsage.rss()
  for (let done = 0; done < MANY; done++) machines.push(await template.fork({ devices: [listener(() => {})] }))
  const after = process.memoryUsage.rss()
  for (const machine of machines) machine.close()
  return (after - before) / MANY / MIB
}
