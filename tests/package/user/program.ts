// A small program as a user would write it: it runs `hlt`, and prints why the guest stopped.
import { Kvm, KvmError, type Exit } from 'node-kvm'

export function halt(): Exit['reason'] {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  vm.addMemory({ at: 0x1000, size: 0x1000 }).write(0x1000, Uint8Array.of(0xf4))
  using vcpu = vm.createVcpu(0)
  vcpu.setSregs({ cs: { base: 0n, selector: 0 } })
  vcpu.setRegs({ rip: 0x1000n, rflags: 2n })
  const exit = vcpu.run({ deadline: performance.now() + 5000 })
  return exit.reason
}

export function codeOfBadMemory(): string | undefined {
  using kvm = Kvm.open()
  using vm = kvm.createVm()
  try {
    vm.addMemory({ at: 1, size: 0x1000 })
  } catch (error) {
    return error instanceof KvmError ? error.code : undefined
  }
  return undefined
}
