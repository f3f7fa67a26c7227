/**
 * Loaded into an example's process by `node-kvm example --trace`: prints every exit to standard error.
 */
import { writeSync } from 'node:fs'
import { describeExit, Vcpu, type Exit, type RunOptions } from '../index.js'

// eslint-disable-next-line @typescript-eslint/unbound-method -- called below with the vCPU as `this`
const run = Vcpu.prototype.run

Vcpu.prototype.run = function (this: Vcpu, options?: RunOptions): Exit {
  const exit = run.call(this, options)
  writeSync(2, `vcpu ${this.id}: ${describeExit(exit)}\n`)
  return exit
}
