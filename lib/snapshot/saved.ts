import { hex } from '../format.js'
import type { Struct } from '../kvm/struct.js'
import { WIDTHS } from '../kvm/struct.js'
import type { StateReader } from '../state.js'

/** A value as JSON carries it: a bigint as `hex()` writes it, bytes as hexadecimal digits, the rest as it is. */
export type Saved<T> = T extends bigint | Uint8Array
  ? string
  : T extends readonly (infer Item)[]
    ? Saved<Item>[]
    : T extends object
      ? { [Name in keyof T]: Saved<T[Name]> }
      : T

/** Turns numbers, bigints, bytes, and arrays and objects of these, into what JSON carries. */
export function saved<T>(value: T): Saved<T> {
  return plain(value) as Saved<T>
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return hex(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
}

type Members = Record<string, unknown>

/**
 * Reads what `saved()` made of a kernel struct, and checks that every member is there and fits; those in `without` were left
 * out of it.
 */
export function readStruct<T extends object, Without extends keyof T = never>(
  struct: Struct<T>,
  reader: StateReader,
  without: readonly Without[] = [],
): Omit<T, Without> {
  const empty = struct.decode(new DataView(new ArrayBuffer(struct.size))) as Members
  for (const name of without) Reflect.deleteProperty(empty, name)
  const greatest = (path: string) => 2 ** (8 * (WIDTHS[struct.member(path)?.type ?? ''] ?? 1)) - 1
  return readMembers(empty, reader, '', greatest) as Omit<T, Without>
}

/** Reads members of the same kinds as those of `like`. */
function readMembers(like: Members, reader: StateReader, path: string, greatest: (path: string) => number): Members {
  const read = (name: string, value: unknown): unknown => {
    if (typeof value === 'bigint') return reader.uint64(name)
    if (typeof value === 'number') return reader.integer(name, greatest(path + name))
    if (value instanceof Uint8Array) return reader.bytes(name, value.length)
    if (!Array.isArray(value)) return readMembers(value as Members, reader.part(name), `${path}${name}.`, greatest)
    const { length, 0: first } = value as unknown[]
    if (typeof first === 'bigint') return reader.uint64s(name, length)
    return reader
      .parts(name, length, length)
      .map((part) => readMembers(first as Members, part, `${path}${name}.`, greatest))
  }
  return Object.fromEntries(Object.entries(like).map(([name, value]) => [name, read(name, value)]))
}
