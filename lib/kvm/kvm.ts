import { KvmError } from '../errors.js'
import { DEFAULT_DEVICE } from '../host/device.js'
import { checkInteger, checkOptions, invalidArgument } from '../validate.js'
import { binding, type NativeFd } from './binding.js'
import { defineCalls } from './calls.js'
import { CAPABILITIES, type CapabilityName } from './capabilities.js'
import type { CapabilityReport } from './capabilities/report.js'
import { Fd } from './fd.js'
import { openFailure } from './open-failure.js'
import { Vm } from './vm.js'
import { type X86SystemCalls, x86SystemCalls } from './x86/system-calls.js'

// The one version of the API since Linux 2.6.22 (KVM API, KVM_GET_API_VERSION).
const API_VERSION = 12

/** The host's KVM: `/dev/kvm`. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type, @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes the calls
export interface Kvm extends X86SystemCalls {}

/** What x86_64 alone has is in the interface {@link X86SystemCalls}. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- defineCalls() makes them
export class Kvm {
  /** KVM_GET_API_VERSION: 12. */
  readonly apiVersion: number
  readonly #fd: Fd

  private constructor(fd: Fd) {
    this.#fd = fd
    this.apiVersion = fd.ioctl('KVM_GET_API_VERSION')
  }

  /**
   * Opens KVM. Throws `ERR_KVM_NO_DEVICE`, `ERR_KVM_NO_PERMISSION` or `ERR_KVM_OPEN`; the message says what to do.
   * `path` is where the device is, `/dev/kvm` unless given.
   */
  static open(options: { path?: string } = {}): Kvm {
    const { path = DEFAULT_DEVICE } = checkOptions('options', options, ['path'])
    if (typeof path !== 'string' || path === '' || path.includes('\0')) {
      throw invalidArgument('path', path, 'the path of a device')
    }
    return Kvm.#from(path, () => binding.openKvm(path))
  }

  /**
   * Takes a file descriptor of `/dev/kvm` that somebody has opened, for a process that may not: it uses a duplicate, and the
   * descriptor stays yours. Throws `ERR_KVM_OPEN` where it is none of KVM's.
   */
  static fromFd(fd: number): Kvm {
    const number = checkInteger('fd', fd, 0, 2 ** 31 - 1)
    return Kvm.#from(`file descriptor ${number}`, () => binding.adoptKvm(number))
  }

  static #from(name: string, open: () => NativeFd): Kvm {
    let fd: Fd | undefined
    let kvm: Kvm
    try {
      fd = new Fd(open(), 'Kvm')
      kvm = new Kvm(fd)
    } catch (cause) {
      fd?.close()
      throw openFailure(name, cause)
    }
    if (kvm.apiVersion === API_VERSION) return kvm
    const { apiVersion } = kvm
    kvm.close()
    throw new KvmError(
      'ERR_KVM_API_VERSION',
      `${name} speaks version ${apiVersion} of the KVM API, not ${API_VERSION}`,
      { operands: { path: name, apiVersion } },
    )
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /** KVM_CHECK_EXTENSION: 0 when the host lacks the capability; else 1, a count or a bit mask. */
  check(capability: CapabilityName): number {
    return this.#fd.checkExtension(capability)
  }

  /** What check() says of every capability, with what each is: loaded when it is asked for, hence a promise. */
  async capabilities(): Promise<CapabilityReport[]> {
    const values = new Map(CAPABILITIES.map((name) => [name, this.check(name)]))
    const { reportCapabilities } = await import('./capabilities/report.js')
    return reportCapabilities(values)
  }

  /**
   * KVM_CREATE_VM. `type`: on x86_64 KVM_X86_*_VM, a bit of KVM_CAP_VM_TYPES each; on arm64 the bits of a guest physical
   * address (KVM_CAP_ARM_VM_IPA_SIZE). 0, the usual one, unless given.
   */
  createVm(options: { type?: number } = {}): Vm {
    const { type: given = 0 } = checkOptions('options', options, ['type'])
    const type = checkInteger('type', given, 0, 0xffff_ffff)
    return new Vm(this.#fd.create('KVM_CREATE_VM', type, 'the VM', { type }), type)
  }

  /** Closes the device; VMs that it created live on. Closing again does nothing. */
  close(): void {
    this.#fd.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  static {
    const here = process.arch === 'arm64' ? {} : x86SystemCalls
    defineCalls(Kvm.prototype, (kvm) => kvm.#fd, [here], x86SystemCalls)
  }
}
