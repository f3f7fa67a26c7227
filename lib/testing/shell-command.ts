import { randomBytes } from 'node:crypto'

/** Shells that let a line be edited have a limit for it; BusyBox's is 1024 bytes by default. */
const PIECE = 500

/** A command as it is typed at a shell, and how what it printed is found. */
export interface ShellCommand {
  /** Ends with a line feed. */
  typed: string
  /** Is printed before the command's output. */
  begin: string
  /** Matches behind it; the first group is the status. */
  end: RegExp
}

/**
 * Another shell runs the command, so that neither a wrong quotation mark nor an `exit` in it does anything to the one at which it is typed. Its
 * output stands between two marks, which nobody can know before; quotation marks keep them apart in what the terminal echoes.
 */
export function shellCommand(command: string): ShellCommand {
  const mark = randomBytes(8).toString('hex')
  const typed = [` echo ${mark}'<'; sh -c \\`, ...shellWord(command), ` </dev/null; echo ${mark}'>'$?`]
  return { typed: `${typed.join('\n')}\n`, begin: `${mark}<\n`, end: new RegExp(`${mark}>(\\d{1,3})\\n`) }
}

/** A POSIX shell's word, on lines that are each continued. What a terminal or a shell would obey is typed as octal digits. */
function shellWord(command: string): string[] {
  const bytes = Buffer.from(command)
  if (/^[ -&(-~]*$/.test(command)) return quotedLines(Array.from(bytes, (byte) => String.fromCharCode(byte)))
  return ['"$(printf %b \\', ...quotedLines(Array.from(bytes, escaped)), ')"\\']
}

/** As `printf %b` reads it. */
function escaped(byte: number): string {
  const character = String.fromCharCode(byte)
  return /^[ -&(-[\]-~]$/.test(character) ? character : `\\0${byte.toString(8).padStart(3, '0')}`
}

/** Units in quotation marks on as many lines as they need; none is broken. */
function quotedLines(units: readonly string[]): string[] {
  const lines: string[] = []
  let line = ''
  for (const unit of units) {
    if (line.length + unit.length > PIECE) {
      lines.push(line)
      line = ''
    }
    line += unit
  }
  return [...lines, line].map((each) => `'${each}'\\`)
}
