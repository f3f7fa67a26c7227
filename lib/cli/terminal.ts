import { closeSync, fstatSync, openSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { isatty, type WriteStream } from 'node:tty'
import { type EscapeCommand, escapeKeys, KEYS_HELP } from './escape-keys.js'

/** What the keys behind the escape key do. */
export interface TerminalActions {
  stop(): void
  /** Returns whether the guest listens. */
  powerButton(): boolean
  /** Takes a snapshot, if it has been said where to. */
  snapshot(): void
  /** The window has this size, now and whenever it gets another one. Default: nobody looks. */
  resize?(columns: number, rows: number): void
}

export interface Terminal {
  /** What is typed for the guest. */
  readonly input: PassThrough
  /** From now on keys are read, raw if this is a terminal. */
  attach(actions: TerminalActions): void
  /** Gives the terminal back as it was. */
  close(): void
}

/** In bytes. More than this for a guest that does not read is lost, so that the escape key is always heard. */
const TYPE_AHEAD = 2 ** 20

/** Character device 1:3 (Linux, admin-guide/devices). */
const NULL_DEVICE = 0x103

/**
 * Standard input for a guest: raw, with an escape key. It is given back however the process ends. `say` shows the user what a
 * key has done.
 */
export function openTerminal(say: (text: string) => void): Terminal {
  const stdin = isNull(0) ? undefined : process.stdin
  const input = new PassThrough()
  const raw = stdin?.isTTY === true
  let actions: TerminalActions | undefined
  let watched: WriteStream | undefined

  const terminals = [0, 1, 2].filter((fd) => isatty(fd))

  const restore = () => {
    if (raw) stdin.setRawMode(false)
  }
  const onExit = () => {
    restore()
    replaceGone(terminals)
  }
  // A shell takes the terminal back when it has stopped this process. Node does not know: it sets no mode that it has set.
  const onContinue = () => {
    if (!raw) return
    stdin.setRawMode(false)
    stdin.setRawMode(true)
  }
  const commands: Record<EscapeCommand, () => void> = {
    stop: () => actions?.stop(),
    powerButton: () => {
      say(actions?.powerButton() ? 'power button pressed' : 'the guest does not listen to the power button')
    },
    snapshot: () => actions?.snapshot(),
    windowSize: () => {
      const size = windowSize()
      // Enter is a carriage return.
      if (size === undefined) say('this window does not tell its size')
      else input.write(`stty rows ${size.rows} cols ${size.columns}\r`)
    },
    help: () => {
      say(KEYS_HELP)
    },
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
  // A terminal that has gone: SIGHUP may have been kept from this process, and nobody could end its guest any more.
  const onEnd = () => {
    if (raw) process.kill(process.pid, 'SIGHUP')
  }
  const onError = (error: Error) => {
    if (raw) onEnd()
    else say(`standard input: ${error.message}`)
  }
  const onDrain = () => {
    stdin?.resume()
  }
  const onResize = () => {
    const size = windowSize()
    if (size !== undefined) actions?.resize?.(size.columns, size.rows)
  }

  return {
    input,
    attach(given) {
      actions = given
      if (raw) stdin.setRawMode(true)
      process.on('exit', onExit)
      process.on('SIGCONT', onContinue)
      input.on('drain', onDrain)
      stdin?.on('error', onError)
      stdin?.on('end', onEnd)
      stdin?.on('data', onData)
      if (given.resize === undefined) return
      watched = window()?.on('resize', onResize)
      onResize()
    },
    close() {
      // Until the end of the process the terminal may go.
      restore()
      process.off('SIGCONT', onContinue)
      input.off('drain', onDrain)
      watched?.off('resize', onResize)
      stdin?.off('data', onData)
      stdin?.off('end', onEnd)
      stdin?.off('error', onError)
      stdin?.on('error', () => undefined)
      stdin?.pause()
      // A file has none.
      ;(stdin as { unref?: () => void } | undefined)?.unref?.()
    },
  }
}

/**
 * At its end Node gives terminals back their modes, and aborts when one has gone meanwhile. So descriptors of those that have
 * gone lead nowhere then.
 */
function replaceGone(terminals: readonly number[]): void {
  for (const fd of terminals) {
    if (isatty(fd)) continue
    closeSync(fd)
    openSync('/dev/null', 'r+') // the lowest number that is free: this one
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

/** The terminal that shows what the guest writes. */
const window = () => [process.stdout, process.stderr].find(({ isTTY }) => isTTY)

/** A serial line of a virtual terminal may have none: 0 by 0. */
function windowSize(): { rows: number; columns: number } | undefined {
  const shown = window()
  return shown !== undefined && shown.rows > 0 && shown.columns > 0 ? shown : undefined
}
