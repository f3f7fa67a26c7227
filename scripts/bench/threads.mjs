// @ts-check
// The cases of the exit benchmark in which vCPUs have threads of their own.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeExit, Kvm, ValueCell } from 'node-kvm'
import { buildAddon, buildGuest } from './baseline.mjs'
import { median } from './rounds.mjs'

/** @import { Vcpu, Vm } from 'node-kvm' */
/** @import { Case } from './rounds.mjs' */
/** @typedef {new (image: Uint8Array, handler: (port: number) => boolean) => unknown} NaiveClass */

const LOAD_ADDRESS = 0x1000
const PORT = 0x10 // tests/bench/out-loop.S, in-loop.S
const WARM_UP = 2_000 // exits
// Exits in a slice: the turns of the event loop in between, every millisecond, count.
const SLICE = 500
const READ_TIME = 200 // ms

/** @param {number} count Exits a round. @returns {Case[]} */
export function threadCases(count) {
  const out = readFileSync(buildGuest('out-loop', LOAD_ADDRESS))
  const read = readFileSync(buildGuest('in-loop', LOAD_ADDRESS))
  /** @type {unknown} */
  const addon = createRequire(import.meta.url)(buildAddon('naive'))
  const { Naive } = /** @type {{ Naive: NaiveClass }} */ (addon)
  const compare = { against: 'C', unit: 'ns' }
  return [
    { ...compare, name: 'threaded', target: 1.1, measure: () => threaded(out, 1, count) },
    { ...compare, name: 'threaded, naive', measure: () => naive(Naive, out, Math.ceil(count / 8)) },
    { ...compare, against: 'C, over a while', name: 'posted write', target: 1, measure: () => posted(out) },
    { ...compare, against: 'C, over a while', name: 'latched read', measure: () => latched(read) },
    { ...compare, name: 'two vCPUs, each', measure: () => threaded(out, 2, Math.ceil(count / 4)) },
  ]
}

/** @returns {Case[]} */
export function delayCases() {
  const out = readFileSync(buildGuest('out-loop', LOAD_ADDRESS))
  const compare = { against: 'idle, p99', unit: 'ms' }
  return [
    { ...compare, name: 'idle, p99', measure: () => delay(out, 0, 99) },
    { ...compare, name: 'one busy vCPU, p50', measure: () => delay(out, 1, 50) },
    { ...compare, name: 'one busy vCPU, p99', measure: () => delay(out, 1, 99) },
    { ...compare, name: 'two busy vCPUs, p99', measure: () => delay(out, 2, 99) },
  ]
}

/** @param {Uint8Array} image @param {number} vcpus */
function createVm(image, vcpus) {
  const vm = Kvm.open().createVm()
  vm.addMemory({ at: 0, size: 0x1_0000 }).write(LOAD_ADDRESS, image)
  for (let id = 0; id < vcpus; id++) {
    const vcpu = vm.createVcpu(id)
    vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
    vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n })
  }
  return vm
}

/** Calls `done` once `count` exits have been timed in slices. @param {number} count @param {(figure: number) => void} done */
function stopwatch(count, done) {
  const slice = Math.min(SLICE, count)
  /** @type {number[]} */
  const figures = []
  let seen = -WARM_UP
  let start = 0n
  return () => {
    seen++
    if (seen < 0 || seen % slice !== 0) return
    const now = process.hrtime.bigint()
    if (seen > 0) figures.push(Number(now - start) / slice)
    if (seen >= count) done(median(figures))
    start = process.hrtime.bigint()
  }
}

/** @param {Uint8Array} image @param {number} vcpus @param {number} count */
async function threaded(image, vcpus, count) {
  const vm = createVm(image, vcpus)
  const figures = await Promise.all(
    vm.vcpus.map(
      (vcpu) =>
        /** @type {Promise<number>} */ (
          new Promise((resolve, reject) => {
            const tick = stopwatch(count, resolve)
            vcpu
              .start((exit) => {
                if (exit.reason !== 'io' || exit.port !== PORT) throw new Error(`unexpected: ${describeExit(exit)}`)
                tick()
              })
              .catch(reject)
          })
        ),
    ),
  )
  vm.close()
  return median(figures)
}

/** @param {NaiveClass} Naive @param {Uint8Array} image @param {number} count */
function naive(Naive, image, count) {
  return /** @type {Promise<number>} */ (
    new Promise((resolve) => {
      let more = true
      const tick = stopwatch(count, (figure) => {
        more = false
        resolve(figure)
      })
      new Naive(image, (port) => {
        if (port !== PORT) throw new Error(`unexpected port ${port}`)
        tick()
        return more
      })
    })
  )
}

/**
 * What JavaScript does not see, or sees in batches, is counted natively: the time of one, over a while.
 * @param {Uint8Array} image
 * @param {ValueCell} cell  at the port
 * @param {'posted' | 'latched'} counter  of the vCPU's statistics
 */
async function counted(image, cell, counter) {
  const vm = createVm(image, 1)
  const vcpu = first(vm)
  vm.mapCells({ port: PORT }, [cell])
  const finished = vcpu.start((exit) => {
    throw new Error(`unexpected: ${describeExit(exit)}`)
  })
  await sleep(READ_TIME / 4)
  const before = { count: vcpu.stats?.[counter] ?? 0, time: process.hrtime.bigint() }
  await sleep(READ_TIME)
  const figure = Number(process.hrtime.bigint() - before.time) / ((vcpu.stats?.[counter] ?? 0) - before.count)
  vm.close()
  await finished
  return figure
}

/** @param {Uint8Array} image */
const posted = (image) => counted(image, new ValueCell({ offset: 0, write: 'post' }), 'posted')

/** @param {Uint8Array} image */
const latched = (image) => counted(image, new ValueCell({ offset: 0, value: 0x42n }), 'latched')

/** @param {Uint8Array} image @param {number} vcpus @param {number} percentile */
async function delay(image, vcpus, percentile) {
  const vm = createVm(image, vcpus)
  const finished = vm.vcpus.map((vcpu) => vcpu.start(() => undefined))
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await sleep(300)
  histogram.disable()
  vm.close()
  await Promise.all(finished)
  return histogram.percentile(percentile) / 1e6
}

/** @param {Vm} vm @returns {Vcpu} */
function first(vm) {
  const [vcpu] = vm.vcpus
  if (vcpu === undefined) throw new Error('the VM has no vCPU')
  return vcpu
}
