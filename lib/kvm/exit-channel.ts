import type { Exit } from './exits.js'

/** What {@link EXIT_CHANNEL} carries. */
export interface ExitMessage {
  /** The vCPU's number. */
  readonly vcpu: number
  /** Valid while the subscriber is called. */
  readonly exit: Exit
}

/** The `node:diagnostics_channel` that carries every exit of every vCPU of this thread, before who runs it gets it. */
export const EXIT_CHANNEL = 'node-kvm.exit'

const channel = process.getBuiltinModule('node:diagnostics_channel').channel(EXIT_CHANNEL)

/** Tells whoever has subscribed. */
export function announce(vcpu: number, exit: Exit): Exit {
  if (channel.hasSubscribers) channel.publish({ vcpu, exit } satisfies ExitMessage)
  return exit
}
