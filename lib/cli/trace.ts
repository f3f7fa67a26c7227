/**
 * Loaded into an example's process by `node-kvm example --trace`: prints every exit of every vCPU to standard error.
 */
import { writeSync } from 'node:fs'
import { describeExit, Kvm, type Vcpu, type Vm } from '../index.js'

// eslint-disable-next-line @typescript-eslint/unbound-method -- called with the Kvm as `this`
const createVm = Kvm.prototype.createVm

Kvm.prototype.createVm = function (this: Kvm): Vm {
  const vm = createVm.call(this)
  const createVcpu = vm.createVcpu.bind(vm)
  vm.createVcpu = (id) => traced(createVcpu(id))
  return vm
}

function traced(vcpu: Vcpu): Vcpu {
  const run = vcpu.run.bind(vcpu)
  vcpu.run = (options) => {
    const exit = run(options)
    // At once, not when the event loop comes round: the lines keep their place among the guest's own.
    writeSync(2, `vcpu ${vcpu.id}: ${describeExit(exit)}\n`)
    return exit
  }
  return vcpu
}
