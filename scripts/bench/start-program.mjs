// @ts-check
// start-program.mjs GUEST COUNT: what tests/bench/start.c does, with the library. Prints first how many nanoseconds its import took.
import { readFileSync } from 'node:fs'

const before = process.hrtime.bigint()
const { Kvm } = await import('node-kvm')
const figures = [process.hrtime.bigint() - before]

const [image = '', count] = process.argv.slice(2)
for (let left = Number(count); left > 0; left--) figures.push(live())
console.log(figures.join('\n'))

function live() {
  const start = process.hrtime.bigint()
  const kvm = Kvm.open()
  const vm = kvm.createVm()
  vm.addMemory({ at: 0, size: 0x1_0000 }).write(0x1000, readFileSync(image))
  const vcpu = vm.createVcpu(0)
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: 0x1000n, rflags: 2n })
  let exit = vcpu.run()
  const took = process.hrtime.bigint() - start
  while (exit.reason === 'io') exit = vcpu.run()
  if (exit.reason !== 'hlt') throw new Error(`unexpected exit: ${exit.reason}`)
  vm.close()
  kvm.close()
  return took
}
