// @ts-check
// How long a small program takes: from the start of the process to the end of its "hello" guest, and the parts of that.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { buildProgram, runProgram } from './baseline.mjs'
import { median } from './rounds.mjs'

/** @import { Bench } from './main.mjs' */
/** @import { Case } from './rounds.mjs' */

const GUEST = fileURLToPath(new URL('../../dist/examples/guests/hello.bin', import.meta.url))
const PROGRAM = fileURLToPath(new URL('start-program.mjs', import.meta.url))
const MILLISECOND = 1e6 // ns
/** No more than it takes: with NODE_EXTRA_CA_CERTS set, Node reads some 150 certificates before it does anything else. */
const env = { PATH: process.env['PATH'] }

/** @type {Bench} */
export const start = {
  about: 'a small program, from the start of its process to the end of its guest',
  rounds: 15,
  count: 10,
  prepare(count) {
    if (process.arch !== 'x64') throw new Error(`its guest is an x86 program; there is none for ${process.arch}`)
    const program = buildProgram('start')
    /** @param {number} vms */
    const inC = (vms) => runProgram(program, GUEST, vms)
    /** @param {number} vms */
    const here = (vms) => runNode(PROGRAM, GUEST, String(vms)).trim().split('\n').map(Number)
    /** @param {string} name @param {string} against @param {() => number} measure @returns {Case} */
    const one = (name, against, measure) => ({
      name,
      against,
      unit: 'ms',
      measure: () => measure() / MILLISECOND,
    })
    return [
      one('process, in C', 'process, in C', () => wholeProcess(() => inC(1))),
      one('process: node -e 0', 'process, in C', () => wholeProcess(() => runNode('-e', '0'))),
      one('process', 'process: node -e 0', () => wholeProcess(() => here(1))),
      { ...one('import', 'process: node -e 0', () => here(0)[0] ?? NaN), limit: 10 },
      one('first VM, in C', 'first VM, in C', () => inC(1)[0] ?? NaN),
      { ...one('first VM', 'first VM, in C', () => here(1)[1] ?? NaN), target: 1.5 },
      one('later VMs, in C', 'later VMs, in C', () => median(inC(count + 1).slice(1))),
      one('later VMs', 'later VMs, in C', () => median(here(count + 1).slice(2))),
    ]
  },
}

/** @param {() => unknown} run */
function wholeProcess(run) {
  const before = process.hrtime.bigint()
  run()
  return Number(process.hrtime.bigint() - before)
}

/** @param {string[]} args */
function runNode(...args) {
  return execFileSync(process.execPath, args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'inherit'] })
}
