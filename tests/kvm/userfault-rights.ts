import { HostMemory, KvmError } from 'node-kvm'

/** Why this user may not have a userfaultfd here; undefined when he may. Tests that need one say so, and do not run. */
export const noUserfault = refusal()
if (noUserfault !== undefined) console.warn(`SKIPPED, what needs a userfaultfd: ${noUserfault}`)

function refusal(): string | undefined {
  using memory = HostMemory.allocate({ size: 64 * 1024 })
  try {
    memory.userfault({ missing: true }, () => undefined).close()
    return undefined
  } catch (error) {
    if (error instanceof KvmError && error.code === 'ERR_KVM_NO_PERMISSION') return error.message
    throw error
  }
}
