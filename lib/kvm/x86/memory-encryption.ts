import { KvmError } from '../../errors.js'
import { checkBytes, checkInteger, checkOptions, invalidArgument } from '../../validate.js'
import type { Calls } from '../calls.js'
import type { Fd } from '../fd.js'
import { kvm_enc_region } from '../generated/common.js'
import {
  KVM_SEV_INIT,
  KVM_X86_TDX_VM,
  KVM_SEV_ES_INIT,
  KVM_SEV_INIT2,
  KVM_SEV_LAUNCH_UPDATE_VMSA,
  KVM_SEV_LAUNCH_FINISH,
  KVM_SEV_GUEST_STATUS,
  KVM_SEV_SEND_FINISH,
  KVM_SEV_SEND_CANCEL,
  KVM_SEV_RECEIVE_FINISH,
  kvm_sev_cmd,
} from '../generated/x86.js'
import { HostMemory } from '../host-memory.js'
import type { VmInside } from '../vm-inside.js'

/** A command of SEV's (KVM_MEMORY_ENCRYPT_OP). */
export interface EncryptionCommand {
  /** KVM_SEV_*. */
  id: number
  /** The command's struct, at most 4,096 bytes; what the command returns is written into it. None unless given. */
  data?: Uint8Array
  /** An open descriptor of `/dev/sev`, for the commands that want it. */
  sevFd?: number
}

/** Guests whose memory the processor encrypts. */
export interface MemoryEncryptionCalls {
  /**
   * KVM_MEMORY_ENCRYPT_OP: a command of SEV's. Those whose struct holds addresses of the host (to encrypt, measure, send and
   * receive memory), and all on a VM of TDX, throw `ERR_KVM_UNSUPPORTED`.
   */
  memoryEncryptOp(command: EncryptionCommand): void
  /** KVM_MEMORY_ENCRYPT_REG_REGION: memory that will hold encrypted pages, and must not move. */
  memoryEncryptRegRegion(memory: HostMemory): void
  /** KVM_MEMORY_ENCRYPT_UNREG_REGION. */
  memoryEncryptUnregRegion(memory: HostMemory): void
}

const MOST_BYTES = 4096
// What the addon wants to be given for any command.
const ROOM = 16384

// By the number of the command: those whose struct has no address in it.
const WITHOUT_ADDRESSES: ReadonlySet<number> = new Set([
  KVM_SEV_INIT,
  KVM_SEV_ES_INIT,
  KVM_SEV_INIT2,
  KVM_SEV_LAUNCH_UPDATE_VMSA,
  KVM_SEV_LAUNCH_FINISH,
  KVM_SEV_GUEST_STATUS,
  KVM_SEV_SEND_FINISH,
  KVM_SEV_SEND_CANCEL,
  KVM_SEV_RECEIVE_FINISH,
])

export const memoryEncryptionCalls: Calls<MemoryEncryptionCalls, VmInside> = {
  memoryEncryptOp({ fd, type }, command) {
    const { id, data, sevFd } = checkOptions('command', command, ['id', 'data', 'sevFd'])
    const number = checkInteger('id', id, 0, 0xffff_ffff)
    const given = checkBytes('data', data ?? new Uint8Array(0))
    if (given.length > MOST_BYTES) checkBytes('data', given, MOST_BYTES)
    // The same numbers mean other things there.
    if (type === KVM_X86_TDX_VM) {
      throw new KvmError('ERR_KVM_UNSUPPORTED', "TDX's commands are not among the library's (docs/coverage.md)", {
        operands: { id: number },
      })
    }
    if (!WITHOUT_ADDRESSES.has(number)) {
      throw new KvmError(
        'ERR_KVM_UNSUPPORTED',
        `the encryption command ${number} takes addresses of the host, which JavaScript does not have`,
        { operands: { id: number } },
      )
    }
    const room = new Uint8Array(ROOM)
    room.set(given)
    const sev = sevFd === undefined ? undefined : checkInteger('sevFd', sevFd, 0, 0x7fff_ffff)
    fd.ioctl('KVM_MEMORY_ENCRYPT_OP', kvm_sev_cmd.bytes({ id: number }), { id: number }, room, sev)
    given.set(room.subarray(0, given.length))
  },
  memoryEncryptRegRegion({ fd }, memory) {
    encryptRegion(fd, 'KVM_MEMORY_ENCRYPT_REG_REGION', memory)
  },
  memoryEncryptUnregRegion({ fd }, memory) {
    encryptRegion(fd, 'KVM_MEMORY_ENCRYPT_UNREG_REGION', memory)
  },
}

function encryptRegion(fd: Fd, ioctl: string, memory: HostMemory): void {
  if (!(memory instanceof HostMemory)) throw invalidArgument('memory', memory, 'a HostMemory')
  const bytes = kvm_enc_region.bytes({ addr: 0n, size: BigInt(memory.size) })
  fd.ioctl(ioctl, bytes, { size: memory.size }, memory.native)
}
