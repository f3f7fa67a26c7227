import { KvmError } from '../errors.js'
import { binding, type NativeTap } from './binding.js'
import { needsEventLoop } from './event.js'
import { errnoName } from './fd.js'

export type { NativeTap as TapQueue } from './binding.js'

const ADVICE: Readonly<Record<string, string>> = {
  EPERM: 'it needs CAP_NET_ADMIN, or an interface of this user: ip tuntap add dev NAME mode tap user USER',
  EACCES: 'this user may not open /dev/net/tun',
  ENOENT: 'there is no /dev/net/tun; modprobe tun',
  EBUSY: 'another program has it',
  EINVAL:
    'there is an interface of that name that is no tap, or has one queue where several are asked for, or several for one',
}

/** Opens a queue of a tap interface, which is made if there is none. `readable` is called when there is something to read. */
export function openTapQueue(name: string, multiQueue: boolean, readable: () => void): NativeTap {
  needsEventLoop('a tap')
  try {
    return new binding.Tap(name, multiQueue, readable)
  } catch (cause) {
    const { errno, syscall } = cause as { errno?: number; syscall?: string }
    if (errno === undefined) throw cause
    const code = errnoName(errno)
    const why = ADVICE[code] ?? 'the host refuses'
    throw new KvmError('ERR_KVM_NETWORK', `the tap ${name} cannot be opened: ${why} (${syscall}: ${code})`, {
      operands: { name },
      errno,
      cause,
    })
  }
}
