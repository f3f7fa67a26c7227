import type { HostEvent } from '../bus/host-event.js'

/** A message-signalled interrupt: on x86 the address names the local APIC, the data the vector. */
export interface Message {
  address: number
  data: number
}

/** Where the messages of one function go: in a machine, to the kernel's interrupt controllers. */
export interface MessageRoutes {
  /** From now on these vectors send these messages. A guest may ask for any. */
  route(changes: readonly (readonly [vector: number, message: Message])[]): void
  trigger(vector: number): void
  /** From now on, until that is closed, `event` sends the vector's message, too. Undefined where the host cannot. */
  connect?(vector: number, event: HostEvent): { close(): void } | undefined
}
