// Lesson 2, add: the host passes numbers in registers, and reads the result from one
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9

using kvm = Kvm.open()
using vm = kvm.createVm()
vm.addMemory({ at: 0, size: 0x1_0000 }).write(LOAD_ADDRESS, readFileSync(new URL('guests/add.bin', import.meta.url)))

// Registers are the host's to set before the guest runs: guests/add.S adds bl to al.
const [a, b] = [2n, 3n]
using vcpu = vm.createVcpu(0)
vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rflags: 2n, rax: a, rbx: b })

process.stdout.write(`guest: ${a} + ${b} = `)
for (let halted = false; !halted;) {
  const exit = vcpu.run()
  switch (exit.reason) {
    case 'io': // the type of `exit` is now the io variant: it has a port, a direction and data, and nothing else does
      if (exit.port !== PORT_CONSOLE || exit.direction !== 'out')
        throw new Error(`unexpected exit: ${describeExit(exit)}`)
      process.stdout.write(exit.data)
      break
    case 'hlt':
      halted = true
      break
    default:
      throw new Error(`unexpected exit: ${describeExit(exit)}`)
  }
}

// And they are the host's to read between two runs. The guest printed a newline last, so that is what al holds.
const { rax, rbx, rip } = vcpu.getRegs()
console.log(`host: al is ${rax & 0xffn}, rbx still ${rbx}, and rip ${rip - BigInt(LOAD_ADDRESS)} bytes further`)
