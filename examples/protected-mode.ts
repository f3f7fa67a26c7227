// Lesson 3, protected-mode: 32-bit code with flat segments, entered without boot code
import { readFileSync } from 'node:fs'
import { describeExit, Kvm } from 'node-kvm'
import { CR0 } from 'node-kvm/arch/x86'

const LOAD_ADDRESS = 0x1000
const PORT_CONSOLE = 0xe9
const TWO_MIB = 0x20_0000

using kvm = Kvm.open()
using vm = kvm.createVm()
const ram = vm.addMemory({ at: 0, size: 2 * TWO_MIB })
ram.write(LOAD_ADDRESS, readFileSync(new URL('guests/protected-mode.bin', import.meta.url)))

// In protected mode a segment register holds a selector, and the CPU keeps beside it a hidden copy of what the
// selector's descriptor in the GDT says. KVM sets the hidden copy itself. So there need not be a GDT, as long as no
// segment is loaded again. "Flat" is base 0 and limit 4 GiB. Real CPUs check every field on entry: none may be left
// out.
const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, db: 1, l: 0, g: 1, avl: 0, unusable: 0 }
const code = { ...flat, selector: 0x08, type: 0b1011 } // code, readable, accessed
const data = { ...flat, selector: 0x10, type: 0b0011 } // data, writable, accessed

using vcpu = vm.createVcpu(0)
// PE: protection. ET: always set on anything newer than a 386. NE: floating-point errors are exceptions; VT-x insists on it.
vcpu.setSregs({ cr0: CR0.PE | CR0.ET | CR0.NE, cs: code, ds: data, es: data, fs: data, gs: data, ss: data })
vcpu.setRegs({ rip: BigInt(LOAD_ADDRESS), rsp: BigInt(TWO_MIB), rflags: 2n })

for (let halted = false; !halted;) {
  const exit = vcpu.run()
  if (exit.reason === 'io' && exit.port === PORT_CONSOLE) process.stdout.write(exit.data)
  else if (exit.reason === 'hlt') halted = true
  else throw new Error(`unexpected exit: ${describeExit(exit)}`)
}

// Guest memory is the host's memory too: no copying, no asking.
console.log(`host: memory at 2 MiB holds 0x${ram.readUint32(TWO_MIB).toString(16)}`)
