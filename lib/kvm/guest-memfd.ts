import { checkInteger, checkOptions } from '../validate.js'
import type { Fd } from './fd.js'
import type { NativeFd } from './binding.js'
import { kvm_create_guest_memfd } from './generated/common.js'

/** Options of `vm.createGuestMemfd()`. */
export interface GuestMemfdOptions {
  /** In bytes, a multiple of the host's page size. */
  size: number
  /** GUEST_MEMFD_FLAG_*: 0 unless given; KVM_CAP_GUEST_MEMFD_FLAGS says which the host knows. */
  flags?: number
}

/** Memory that only guests see (KVM API, KVM_CREATE_GUEST_MEMFD): `addMemory({ guestMemfd })` puts it beside a region. */
export class GuestMemfd {
  /** In bytes. */
  readonly size: number
  readonly #fd: Fd

  /** @internal */
  constructor(vm: Fd, options: GuestMemfdOptions) {
    const { size, flags } = checkOptions('options', options, ['size', 'flags'])
    this.size = checkInteger('size', size, 1, Number.MAX_SAFE_INTEGER)
    const argument = kvm_create_guest_memfd.bytes({
      size: BigInt(this.size),
      flags: BigInt(checkInteger('flags', flags ?? 0, 0, Number.MAX_SAFE_INTEGER)),
    })
    this.#fd = vm.createPart('KVM_CREATE_GUEST_MEMFD', argument, 'the guest_memfd', { size, flags })
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /** @internal */
  get native(): NativeFd {
    return this.#fd.native
  }

  /** Closes the descriptor; a VM that uses the memory keeps it. Closing again does nothing. */
  close(): void {
    this.#fd.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
