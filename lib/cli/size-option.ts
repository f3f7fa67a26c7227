import { InvalidArgumentError } from 'commander'

const UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** A size such as `512M`. */
export function size(text: string): number {
  const [, count, unit = ''] = /^(\d{1,12})([KMGT]?)$/i.exec(text) ?? []
  if (count === undefined) throw new InvalidArgumentError('It must be a size, for example 512M or 2G.')
  return Number(count) * UNITS[unit.toUpperCase() as keyof typeof UNITS]
}
