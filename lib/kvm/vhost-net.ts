import { KvmError } from '../errors.js'
import type { DeviceMemory } from '../memory/device-memory.js'
import { binding, type NativeTap, type NativeVhostFd } from './binding.js'
import { Eventfd } from './event.js'
import { errnoName, Fd } from './fd.js'
import { memoryBehind } from './memory-slots.js'

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'there is no /dev/vhost-net; modprobe vhost_net, or do without vhost',
  ENODEV: 'the kernel has no vhost_net; modprobe vhost_net, or do without vhost',
  EACCES: 'this user may not open /dev/vhost-net; its group is often kvm: usermod -aG kvm USER, and log in again',
  EPERM: 'this user may not open /dev/vhost-net',
  EMFILE: 'this process has no file descriptor left; raise the limit (ulimit -n)',
}

/** A queue for the kernel to serve: guest physical addresses, and where it goes on. */
export interface Vring {
  size: number
  descriptors: number
  available: number
  used: number
  base: number
  kick: Eventfd
  call: Eventfd
  error: Eventfd
}

/** struct vhost_vring_state and vhost_vring_file: a queue, and a number. */
const pair = (queue: number, number: number) => new Uint8Array(Uint32Array.of(queue, number).buffer)
const bits = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer)

/**
 * One of /dev/vhost-net: the kernel moves frames between a tap and a pair of queues, 0 for what the guest receives and 1 for what it
 * sends. It reaches the memory that it has been given, and no other.
 */
export class VhostNet {
  /** What it can do, of virtio's features and its own. */
  readonly features: bigint
  readonly #fd: Fd<NativeVhostFd>

  /** Throws `ERR_KVM_NETWORK`. */
  constructor() {
    this.#fd = new Fd(open(), 'the vhost-net device')
    const features = new Uint8Array(8)
    this.#fd.ioctl('VHOST_GET_FEATURES', features)
    this.features = new DataView(features.buffer).getBigUint64(0, true)
  }

  get closed(): boolean {
    return this.#fd.closed
  }

  /** What a queue and its driver call each other by; `listener` hears what nobody else has taken. */
  event(listener?: () => void): Eventfd {
    return new Eventfd('the queue of a network card', listener)
  }

  /** Those that the driver has accepted. While no queue runs. */
  setFeatures(features: bigint): void {
    this.#fd.ioctl('VHOST_SET_FEATURES', bits(features & this.features), { features })
  }

  /** It reaches all of this that is RAM to a guest, as it is now. While no queue runs. */
  setMemory(memory: DeviceMemory): void {
    const reaches = memory.regions.flatMap((region) => {
      const behind = region.readonly ? undefined : memoryBehind(region)
      return behind === undefined ? [] : [region.at, region.size, behind.memory.native, behind.offset]
    })
    this.#fd.issued('VHOST_SET_MEM_TABLE', this.#fd.native.setMemory(...reaches))
  }

  /** Serves a queue. Returns false where one of its parts is not in one piece of memory, and throws where the kernel refuses. */
  start(queue: number, vring: Vring, tap: NativeTap): boolean {
    const { size, descriptors, available, used, base, kick, call, error } = vring
    const fd = this.#fd
    fd.ioctl('VHOST_SET_VRING_NUM', pair(queue, size), { queue, size })
    fd.ioctl('VHOST_SET_VRING_BASE', pair(queue, base), { queue, base })
    const result = fd.native.setAddresses(queue, size, descriptors, available, used)
    if (errnoName(-result) === 'EFAULT') return false
    fd.issued('VHOST_SET_VRING_ADDR', result, { queue })
    for (const [name, event] of [
      ['VHOST_SET_VRING_ERR', error],
      ['VHOST_SET_VRING_CALL', call],
      ['VHOST_SET_VRING_KICK', kick],
    ] as const) {
      fd.ioctl(name, pair(queue, 0), { queue }, event.native)
    }
    fd.ioctl('VHOST_NET_SET_BACKEND', pair(queue, 0), { queue }, tap)
    return true
  }

  /** It touches the queue no more. Returns how many chains it has taken off it, modulo 2^16. */
  stop(queue: number): number {
    this.#fd.ioctl('VHOST_NET_SET_BACKEND', pair(queue, 0), { queue }, undefined)
    const state = pair(queue, 0)
    this.#fd.ioctl('VHOST_GET_VRING_BASE', state, { queue })
    return new DataView(state.buffer).getUint32(4, true) & 0xffff
  }

  close(): void {
    this.#fd.close()
  }
}

function open(): NativeVhostFd {
  try {
    return binding.openVhostNet()
  } catch (cause) {
    const { errno, syscall } = cause as { errno?: number; syscall?: string }
    if (errno === undefined) throw cause
    const code = errnoName(errno)
    const why = ADVICE[code] ?? 'the host refuses'
    throw new KvmError('ERR_KVM_NETWORK', `vhost-net cannot be had: ${why} (${syscall}: ${code})`, { errno, cause })
  }
}
