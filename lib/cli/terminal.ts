import { PassThrough } from 'node:stream'

/** What the keys behind the escape key do. */
export interface TerminalActions {
  stop(): void
  powerButton(): void
}

const ESCAPE = 0x01 // Ctrl-A, as in QEMU and screen
const KEYS = 'Ctrl-A x: end the guest · p: power button · h: this · Ctrl-A: send Ctrl-A'

export interface Terminal {
  /** What is typed for the guest. */
  readonly input: PassThrough
  /** From now on keys are read, raw if this is a terminal. */
  attach(actions: TerminalActions): void
  say(text: string): void
  /** Gives the terminal back as it was. */
  close(): void
}

/** Standard input for a guest: raw, with an escape key. It is given back however the process ends. */
export function openTerminal(): Terminal {
  const { stdin } = process
  const input = new PassThrough()
  const raw = stdin.isTTY
  let escaped = false
  let actions: TerminalActions | undefined

  const restore = () => {
    if (raw) stdin.setRawMode(false)
  }
  const say = (text: string) => {
    process.stderr.write(`\r\n[${text}]\r\n`)
  }
  const command = (key: number) => {
    if (key === ESCAPE) input.write(Uint8Array.of(ESCAPE))
    else if (key === 0x78) actions?.stop()
    else if (key === 0x70) actions?.powerButton()
    else say(KEYS)
  }
  const onData = (chunk: Buffer) => {
    let start = 0
    for (const [index, key] of chunk.entries()) {
      if (escaped) {
        escaped = false
        start = index + 1
        command(key)
      } else if (raw && key === ESCAPE) {
        if (index > start) input.write(chunk.subarray(start, index))
        escaped = true
        start = index + 1
      }
    }
    if (start < chunk.length && !input.write(chunk.subarray(start))) stdin.pause()
  }
  const onDrain = () => {
    stdin.resume()
  }
  const onSignal = () => actions?.stop()

  return {
    input,
    say,
    attach(given) {
      actions = given
      if (raw) stdin.setRawMode(true)
      process.on('exit', restore)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
      input.on('drain', onDrain)
      stdin.on('data', onData)
    },
    close() {
      restore()
      process.off('exit', restore)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
      stdin.off('data', onData)
      stdin.pause()
      // A file, /dev/null for one, has none.
      ;(stdin as { unref?: () => void }).unref?.()
    },
  }
}
