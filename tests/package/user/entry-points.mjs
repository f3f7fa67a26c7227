import { KvmError, plainMemory } from 'node-kvm'
import { registerId } from 'node-kvm/arch/arm64'
import { CpuidTable } from 'node-kvm/arch/x86'
import { readImage } from 'node-kvm/boot'
import { DebugConsole } from 'node-kvm/devices'
import { readSymbols } from 'node-kvm/inspect'
import { linux, Machine } from 'node-kvm/machine'
import { loadMpTable } from 'node-kvm/platform'
import { restoreVcpu } from 'node-kvm/snapshot'
import { bootOnce } from 'node-kvm/testing'
import { kvm_mp_state } from 'node-kvm/uapi'
import { kvm_vcpu_init } from 'node-kvm/uapi/arm64'
import { kvm_regs } from 'node-kvm/uapi/x86'

// A state that has lost everything is refused before its vCPU is looked at.
const [nobody, damaged] = /** @type {[import('node-kvm').Vcpu, import('node-kvm/snapshot').X86VcpuState]} */ (
  /** @type {unknown} */ ([{ id: 0 }, {}])
)

// Each of them refuses something, with the error class of the first.
/** @type {Record<string, () => unknown>} */
const refused = {
  'arch/arm64': () => registerId('x31'),
  'arch/x86': () => new CpuidTable([]).show('avx2'),
  boot: () => readImage('/does/not/exist', { name: 'kernel' }),
  devices: () => new DebugConsole({ output: () => undefined, readback: 256 }),
  inspect: () => readSymbols('/does/not/exist'),
  machine: () => Machine.create({ boot: linux({ kernel: 'vmlinuz' }), cpus: 0 }),
  snapshot: () => restoreVcpu(nobody, damaged),
  testing: () => bootOnce({ machine: () => ({ boot: linux({ kernel: 'vmlinuz' }) }), ready: '' }),
  uapi: () => kvm_mp_state.bytes({ mp_state: -1 }),
  'uapi/arm64': () => kvm_vcpu_init.bytes({ target: -1 }),
  'uapi/x86': () => kvm_regs.bytes({ rax: -1n }),
  platform: () => loadMpTable(plainMemory({ at: 0, size: 0x10_0000 }), { apicIds: [], ioApic: { id: 0, address: 0 } }),
}
for (const [name, call] of Object.entries(refused)) {
  try {
    await call()
  } catch (error) {
    console.log(`${name}: ${error instanceof KvmError ? 'KvmError' : String(error)}`)
  }
}
