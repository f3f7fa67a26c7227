import { writeSync } from 'node:fs'
import { describeExit, type Exit, Vcpu } from '../index.js'

/* eslint-disable @typescript-eslint/unbound-method -- both are called with the vCPU as `this` */
const { run, start } = Vcpu.prototype
/* eslint-enable @typescript-eslint/unbound-method */

/** From now on every exit that run() returns, or that a handler of start() gets, is printed to standard error. */
export function traceExits(): void {
  Vcpu.prototype.run = function (this: Vcpu, ...options) {
    return trace(this, run.apply(this, options))
  }
  Vcpu.prototype.start = function (this: Vcpu, handler) {
    return start.call(this, (exit) => handler(trace(this, exit)))
  }
}

function trace(vcpu: Vcpu, exit: Exit): Exit {
  // At once, not when the event loop comes round: the lines keep their place among the guest's own.
  writeSync(2, `vcpu ${vcpu.id}: ${describeExit(exit)}\n`)
  return exit
}
