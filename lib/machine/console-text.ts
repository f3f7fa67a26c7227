import { StringDecoder } from 'node:string_decoder'

/** What the guest wrote until {@link GuestConsole.expect} found what it waited for. */
export interface Expected {
  /** What came before the match, from where the match before this one ended. */
  before: string
  /** The text that matched. */
  match: string
  /** The groups of a regular expression, as `RegExpExecArray` has them from index 1 on. */
  groups: (string | undefined)[]
  /** The named groups of a regular expression, `(?<name>…)`, those that took no part being undefined. */
  named: Record<string, string | undefined>
}

/** How far before new text a match can begin. It bounds what each piece of output costs. */
export const REACH = 4096

/** Looks for something in a text, from an index on. */
export interface Finder {
  (text: string, from: number): (Omit<Expected, 'before'> & { index: number }) | undefined
  /** How far before the end of the text a match can have begun that is not complete yet. */
  reach: number
}

export function finder(wanted: string | RegExp): Finder {
  if (typeof wanted === 'string') {
    const find = (text: string, from: number) => {
      const index = text.indexOf(wanted, from)
      return index < 0 ? undefined : { index, match: wanted, groups: [], named: {} }
    }
    return Object.assign(find, { reach: wanted.length - 1 })
  }
  // A copy: the caller's may be in use elsewhere.
  const pattern = new RegExp(wanted.source, `${wanted.flags.replace(/[gy]/g, '')}g`)
  const search = (text: string, from: number) => {
    pattern.lastIndex = from
    const found = pattern.exec(text)
    if (found === null) return undefined
    return { index: found.index, match: found[0], groups: found.slice(1), named: { ...found.groups } }
  }
  return Object.assign(search, { reach: REACH })
}

/** The last characters of what a guest wrote, and how far they have been searched. */
export class ConsoleText {
  readonly #keep: number
  #decoder = new StringDecoder('utf8')
  // The last characters, in two parts: V8 makes one string of all the pieces of a text when it is searched, and so only the end
  // of it is searched each time. In both together, where the last match ended and where the search for the next one goes on.
  #past = ''
  #text = ''
  #seen = 0
  #from = 0
  #forgotten = 0
  // A carriage return that may have a line feed behind it.
  #held = ''

  /** `keep` is at least {@link REACH}. */
  constructor(keep: number) {
    this.#keep = keep
  }

  get text(): string {
    this.#join()
    return this.#text.slice(-this.#keep)
  }

  /** How many characters there were before that text. */
  get forgotten(): number {
    return this.#forgotten + Math.max(0, this.#length - this.#keep)
  }

  write(bytes: Uint8Array): void {
    this.#append(this.#decoder.write(bytes))
  }

  /** Nothing completes what is incomplete: the guest's life is over. */
  end(): void {
    this.#append(this.#decoder.end())
    this.#text += this.#held
    this.#held = ''
  }

  /** What is found behind the last match, and nothing before it from then on. */
  take(find: Finder): Expected | undefined {
    // Not at the beginning of a part either, which `^` would take for that of the text.
    if (this.#from <= this.#past.length) this.#join()
    const found = find(this.#text, this.#from - this.#past.length)
    if (found === undefined) {
      this.#from = Math.max(this.#seen, this.#length - find.reach)
      this.#part()
      return undefined
    }
    const { index, ...match } = found
    const end = this.#past.length + index
    if (this.#seen < this.#past.length) this.#join()
    const before = this.#text.slice(this.#seen - this.#past.length, end - this.#past.length)
    this.#seen = end + match.match.length
    return { before, ...match }
  }

  /** Something else is looked for: all behind the last match counts again. */
  rewind(): void {
    this.#from = this.#seen
  }

  #append(decoded: string): void {
    const text = this.#held + decoded
    this.#held = text.endsWith('\r') ? '\r' : ''
    this.#text += text.slice(0, text.length - this.#held.length).replaceAll('\r\n', '\n')
    // Not at each piece: cutting copies.
    if (this.#length > 2 * this.#keep) this.#forget(this.#length - this.#keep)
  }

  get #length(): number {
    return this.#past.length + this.#text.length
  }

  #join(): void {
    this.#text = this.#past + this.#text
    this.#past = ''
  }

  /** What has been searched becomes the past, but for what a match can have begun in, and as much before that to look back at. */
  #part(): void {
    const end = this.#text.length - 2 * REACH
    if (end < 2 * REACH) return
    this.#past += this.#text.slice(0, end)
    this.#text = this.#text.slice(end)
  }

  #forget(count: number): void {
    this.#join()
    this.#text = this.#text.slice(count)
    this.#forgotten += count
    this.#seen = Math.max(0, this.#seen - count)
    this.#from = Math.max(0, this.#from - count)
  }
}
