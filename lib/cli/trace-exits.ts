import { describeExit, type Exit, Vcpu } from '../index.js'

/* eslint-disable @typescript-eslint/unbound-method -- both are called with the vCPU as `this` */
const { run, start } = Vcpu.prototype
/* eslint-enable @typescript-eslint/unbound-method */

/** From now on every exit that run() returns, or that a handler of start() gets, is printed with `print`, a line each. */
export function traceExits(print: (line: string) => void): void {
  const trace = (vcpu: Vcpu, exit: Exit): Exit => {
    print(`vcpu ${vcpu.id}: ${describeExit(exit)}`)
    return exit
  }
  Vcpu.prototype.run = function (this: Vcpu, ...options) {
    return trace(this, run.apply(this, options))
  }
  Vcpu.prototype.start = function (this: Vcpu, handler) {
    return start.call(this, (exit) => handler(trace(this, exit)))
  }
}
