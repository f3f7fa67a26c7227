import { fstatSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { type EscapeCommand, escapeKeys, KEYS_HELP } from './escape-keys.js'

/** What the keys behind the escape key do. */
export interface TerminalActions {
  stop(): void
  powerButton(): void
}

export interface Terminal {
  /** What is typed for the guest. */
  readonly input: PassThrough
  /** From now on keys are read, raw if this is a terminal. */
  attach(actions: TerminalActions): void
  say(text: string): void
  /** Gives the terminal back as it was. */
  close(): void
}

/** In bytes. More than this for a guest that does not read is lost, so that the escape key is always heard. */
const TYPE_AHEAD = 2 ** 20

/** Character device 1:3 (Linux, admin-guide/devices). */
const NULL_DEVICE = 0x103

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/** Standard input for a guest: raw, with an escape key. It is given back however the process ends. */
export function openTerminal(): Terminal {
  const stdin = isNull(0) ? undefined : process.stdin
  const input = new PassThrough()
  const raw = stdin?.isTTY === true
  let actions: TerminalActions | undefined

  const restore = () => {
    if (raw) stdin.setRawMode(false)
  }
  // A shell takes the terminal back when it has stopped this process. Node does not know: it sets no mode that it has set.
  const onContinue = () => {
    if (!raw) return
    stdin.setRawMode(false)
    stdin.setRawMode(true)
  }
  const say = (text: string) => {
    process.stderr.write(`\r\n[${text.replaceAll('\n', '\r\n ')}]\r\n`)
  }
  const onSignal = () => actions?.stop()
  const commands: Record<EscapeCommand, () => void> = {
    stop: onSignal,
    powerButton: () => actions?.powerButton(),
    windowSize: () => {
      const size = windowSize()
      // Enter is a carriage return.
      if (size === undefined) say('this window does not tell its size')
      else input.write(`stty rows ${size.rows} cols ${size.columns}\r`)
    },
    help: () => say(KEYS_HELP),
    escape: () => input.write('\x01'),
  }
  const split = raw ? escapeKeys() : (chunk: Buffer) => [chunk]
  const onData = (chunk: Buffer) => {
    for (const part of split(chunk)) {
      if (typeof part === 'string') commands[part]()
      else if (!raw || input.writableLength < TYPE_AHEAD) input.write(part)
    }
    if (!raw && input.writableNeedDrain) stdin?.pause()
  }
  const onDrain = () => {
    stdin?.resume()
  }

  return {
    input,
    say,
    attach(given) {
      actions = given
      if (raw) stdin.setRawMode(true)
      process.on('exit', restore)
      process.on('SIGCONT', onContinue)
      for (const signal of ENDING) process.on(signal, onSignal)
      input.on('drain', onDrain)
      stdin?.on('data', onData)
    },
    close() {
      restore()
      process.off('exit', restore)
      process.off('SIGCONT', onContinue)
      for (const signal of ENDING) process.off(signal, onSignal)
      input.off('drain', onDrain)
      stdin?.off('data', onData)
      stdin?.pause()
      // A file has none.
      ;(stdin as { unref?: () => void } | undefined)?.unref?.()
    },
  }
}

/** Whether that descriptor is /dev/null: nothing comes from there, and a stream for it takes long to make on a slow host. */
function isNull(fd: number): boolean {
  try {
    const stats = fstatSync(fd)
    return stats.isCharacterDevice() && stats.rdev === NULL_DEVICE
  } catch {
    return false // it is closed: process.stdin knows what to do
  }
}

/** Of the terminal that shows what the guest writes. A serial line of a virtual terminal may have none: 0 by 0. */
function windowSize(): { rows: number; columns: number } | undefined {
  const shown = [process.stdout, process.stderr].find(({ isTTY }) => isTTY)
  return shown !== undefined && shown.rows > 0 && shown.columns > 0 ? shown : undefined
}
