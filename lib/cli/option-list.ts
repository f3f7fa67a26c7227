import { InvalidArgumentError } from 'commander'

/** `FIRST[,name][,name=value]…`: what a device's option is made of. A comma within a value is written twice. */
export interface OptionList {
  first: string
  /** By name; the value of one without `=` is `true`. */
  rest: ReadonlyMap<string, string | true>
}

/** Parses one; `known` are the names that it may have. */
export function parseList(text: string, known: readonly string[]): OptionList {
  const [first = '', ...parts] = split(text)
  if (first === '') throw new InvalidArgumentError('It begins with a name.')
  const rest = new Map<string, string | true>()
  for (const part of parts) {
    const [, name = part, value] = /^([^=]*)=(.*)$/s.exec(part) ?? []
    if (!known.includes(name)) throw new InvalidArgumentError(`It has no '${name}'; it has ${known.join(', ')}.`)
    if (rest.has(name)) throw new InvalidArgumentError(`It says '${name}' twice.`)
    rest.set(name, value ?? true)
  }
  return { first, rest }
}

/** The value of one that must have one. */
export function valueOf({ rest }: OptionList, name: string): string | undefined {
  const value = rest.get(name)
  if (value === true || value === '') throw new InvalidArgumentError(`'${name}' wants a value: ${name}=….`)
  return value
}

/** Whether one is there that has no value. */
export function hasFlag({ rest }: OptionList, name: string): boolean {
  const value = rest.get(name)
  if (typeof value === 'string') throw new InvalidArgumentError(`'${name}' has no value.`)
  return value === true
}

function split(text: string): string[] {
  const parts: string[] = []
  let part = ''
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith(',,', at)) at++
    else if (text[at] === ',') {
      parts.push(part)
      part = ''
      continue
    }
    part += text[at] ?? ''
  }
  return [...parts, part]
}
