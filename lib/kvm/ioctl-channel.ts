/** What {@link IOCTL_CHANNEL} carries. */
export interface IoctlMessage {
  /** Whose descriptor it was issued on: "Kvm", "the VM", "vCPU 0". */
  readonly on: string
  /** The kernel's name. */
  readonly ioctl: string
  /** What the kernel answered, or -errno. */
  readonly result: number
}

/**
 * The `node:diagnostics_channel` that carries every ioctl that is issued in this thread, but KVM_RUN. Subscribers may keep the messages.
 */
export const IOCTL_CHANNEL = 'node-kvm.ioctl'

const channel = process.getBuiltinModule('node:diagnostics_channel').channel(IOCTL_CHANNEL)

/** Tells whoever has subscribed. */
export function announceIoctl(on: string, ioctl: string, result: number): number {
  if (channel.hasSubscribers) channel.publish({ on, ioctl, result } satisfies IoctlMessage)
  return result
}
