import { printable } from '../format.js'

const KEPT = 8 * 1024
const MAX_LINE = 240

/** The end of what a guest has written to its console: so many bytes, and no more. */
export class ConsoleTail {
  readonly #bytes = new Uint8Array(KEPT)
  /** How many bytes there have been. */
  #written = 0

  /** Notes output; `bytes` is valid during the call only. */
  write(bytes: Uint8Array): void {
    for (let index = Math.max(0, bytes.length - KEPT); index < bytes.length; index++) {
      this.#bytes[(this.#written + index) % KEPT] = bytes[index] ?? 0
    }
    this.#written += bytes.length
  }

  /** The last lines, without the empty ones at the end. What a terminal would obey is shown as an escape, `\x1b`. */
  lines(count: number): string[] {
    const length = Math.min(this.#written, KEPT)
    const start = this.#written - length
    const bytes = Uint8Array.from({ length }, (_, index) => this.#bytes[(start + index) % KEPT] ?? 0)
    const lines = new TextDecoder().decode(bytes).replaceAll('\r\n', '\n').trimEnd().split('\n')
    // The first one has lost its beginning.
    if (start > 0 && lines.length > 1) lines.shift()
    if (lines.length === 1 && lines[0] === '') return []
    return lines.slice(-count).map(shorten)
  }
}

/** Not too long, and for eyes only. */
function shorten(line: string): string {
  const characters = Array.from(line)
  return `${printable(characters.slice(0, MAX_LINE).join(''))}${characters.length > MAX_LINE ? '…' : ''}`
}
