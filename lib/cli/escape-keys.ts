const ESCAPE = 0x01

/** What follows the escape key, Ctrl-A as in QEMU and screen. Any other key shows this list, too. */
const COMMANDS = {
  x: 'stop',
  p: 'powerButton',
  s: 'snapshot',
  w: 'windowSize',
  h: 'help',
  a: 'escape',
  '\x01': 'escape',
} as const

export type EscapeCommand = (typeof COMMANDS)[keyof typeof COMMANDS]

export const KEYS_HELP = `\
Ctrl-A x       ends the guest
Ctrl-A p       presses the power button
Ctrl-A s       takes a snapshot, with --snapshot-to
Ctrl-A w       types "stty rows R cols C" with this window's size, for a shell
Ctrl-A h       shows these keys
Ctrl-A Ctrl-A  sends Ctrl-A; so does Ctrl-A a
Everything else goes to the guest, Ctrl-C too.`

/** Takes what was typed apart: what is for the guest, and commands. The escape key may be the last of a chunk. */
export function escapeKeys(): (chunk: Uint8Array) => (Uint8Array | EscapeCommand)[] {
  let escaped = false
  return (chunk) => {
    const parts: (Uint8Array | EscapeCommand)[] = []
    let start = 0
    for (const [index, key] of chunk.entries()) {
      if (!escaped && key !== ESCAPE) continue
      if (index > start) parts.push(chunk.subarray(start, index))
      if (escaped) parts.push(commandOf(String.fromCharCode(key)))
      escaped = !escaped
      start = index + 1
    }
    if (start < chunk.length) parts.push(chunk.subarray(start))
    return parts
  }
}

function commandOf(key: string): EscapeCommand {
  return Object.hasOwn(COMMANDS, key) ? COMMANDS[key as keyof typeof COMMANDS] : 'help'
}
