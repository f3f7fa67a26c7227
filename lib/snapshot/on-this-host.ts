import { KvmError, type KvmErrorCode } from '../errors.js'

/** With these the kernel says that it does not want a value, or cannot do such a thing. */
const REFUSALS: readonly KvmErrorCode[] = ['ERR_KVM_IOCTL', 'ERR_KVM_MSR', 'ERR_KVM_UNSUPPORTED']

export function isRefusal(thrown: unknown): thrown is KvmError {
  return thrown instanceof KvmError && REFUSALS.includes(thrown.code)
}

/** One step of restoring: the part of the state that it is about, and what gives it to KVM. */
export type Step = readonly [component: string, restore: () => void]

/** Takes the steps in order. What the host refuses throws `ERR_KVM_SNAPSHOT`, which names the component. */
export function onThisHost(owner: string, steps: readonly Step[]): void {
  for (const [component, restore] of steps) {
    try {
      restore()
    } catch (cause) {
      throw isRefusal(cause) ? refused(owner, component, cause) : cause
    }
  }
}

function refused(owner: string, component: string, cause: KvmError): KvmError {
  const { errno, ioctl } = cause
  return new KvmError(
    'ERR_KVM_SNAPSHOT',
    `this host does not take over the saved ${component} of ${owner}: ${cause.message}`,
    {
      operands: { ...cause.operands, component },
      ...(errno === undefined ? {} : { errno }),
      ...(ioctl === undefined ? {} : { ioctl }),
      cause,
    },
  )
}

/** What the kernel has to say, or undefined where it has no such thing: an older kernel, another processor, a VM without it. */
export function whereThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (cause) {
    if (isRefusal(cause)) return undefined
    throw cause
  }
}
