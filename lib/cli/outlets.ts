import { constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { Outlet } from './outlet.js'

export interface Outlets {
  /** For what the guest writes. */
  stdout: Outlet
  /** For what the command has to say. */
  stderr: Outlet
  /** For a trace that goes to a file. */
  trace?: Outlet
}

const { O_WRONLY, O_NONBLOCK, O_NOCTTY, O_CREAT, O_TRUNC } = constants

/**
 * The ways out of this process. Where both descriptors lead to the same terminal, file or pipe there is one, so that all comes
 * in the order in which it was printed.
 */
export function openOutlets(): Outlets {
  const [out, err] = [fstatSync(1), fstatSync(2)]
  const stdout = new Outlet(withoutWaiting(1), 'standard output')
  const isSame = out.dev === err.dev && out.ino === err.ino
  return { stdout, stderr: isSame ? stdout : new Outlet(withoutWaiting(2), 'standard error') }
}

/** Throws what the file system says. */
export function openTraceFile(path: string): Outlet {
  const name = `trace file ${path}`
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a reader.
    return new Outlet(openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY, 0o666), name)
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/**
 * A descriptor for the same, on which a write does not wait for a reader. The given one is left as it is where that can be:
 * whoever started this process has it, too.
 */
function withoutWaiting(fd: 1 | 2): number {
  const stats = fstatSync(fd)
  if (stats.isFIFO() || isatty(fd)) {
    const paths = [`/proc/self/fd/${fd}`, ...(stats.rdev === controllingTerminal() ? ['/dev/tty'] : [])]
    for (const path of paths) {
      try {
        return openSync(path, O_WRONLY | O_NONBLOCK | O_NOCTTY)
      } catch {
        // It belongs to another user, as after su, or has no reader.
      }
    }
  }
  // A socket cannot be opened again. Node makes it, or a pipe, non-blocking when it makes a stream of it, until this process ends.
  if (stats.isFIFO() || stats.isSocket()) Reflect.get(process, fd === 1 ? 'stdout' : 'stderr')
  return fd
}

/** The device number of this process's terminal (proc(5), `tty_nr`), 0 if it has none. */
function controllingTerminal(): number {
  const afterName = readFileSync('/proc/self/stat', 'latin1').split(') ').at(-1) ?? ''
  return Number(afterName.split(' ')[4])
}
