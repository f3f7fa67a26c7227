import { KvmError } from '../errors.js'
import { checkBytes, checkInt64, checkInteger, checkOptions, checkUint64, invalidArgument } from '../validate.js'

/** An object whose every part may be left out; arrays are whole, but their objects are patches, too. */
export type Patch<T> = {
  [K in keyof T]?: T[K] extends Uint8Array
    ? T[K]
    : T[K] extends readonly (infer Item)[]
      ? readonly (Item extends object ? Patch<Item> : Item)[]
      : T[K] extends object
        ? Patch<T[K]>
        : T[K]
}

/** Reads and writes one field of a kernel struct, at a base offset. */
interface FieldCodec {
  decode(data: DataView, base: number): unknown
  /** Checks `value` and writes it. `name` is for messages. */
  encode(data: DataView, base: number, name: string, value: unknown): void
}

type FieldTree = Map<string, FieldCodec>

/** Where a member lies, and what it is. */
export interface Member {
  /** With dots, where it lies in a struct or union that has no name of its own. */
  name: string
  /** In bytes. */
  offset: number
  /** `u8` to `u64`, `s8` to `s64`, or the name of a struct. */
  type: string
  /** How many there are; undefined when it is no array. */
  count: number | undefined
}

/** A struct within another one. */
interface Part {
  readonly size: number
  member(path: string): Member | undefined
  decode(data: DataView, offset?: number): object
  encode(patch: object, data: DataView, offset?: number): void
}

type Parts = Readonly<Record<string, Part>>

/** The bytes of a scalar type; undefined for a struct's name. */
export const WIDTHS: Readonly<Record<string, 1 | 2 | 4 | 8 | undefined>> = {
  u8: 1,
  s8: 1,
  u16: 2,
  s16: 2,
  u32: 4,
  s32: 4,
  u64: 8,
  s64: 8,
}

/**
 * A kernel struct as a plain object: 64-bit members are bigints, smaller ones numbers, byte arrays `Uint8Array`s, other
 * arrays arrays of numbers, bigints or objects. Pointers, bit fields and padding are left out.
 */
export class Struct<T extends object> {
  /** In bytes. */
  readonly size: number
  readonly #name: string
  readonly #rows: string
  readonly #parts: Parts
  // Made when they are used: a program uses few of all structs.
  #members: readonly Member[] | undefined
  #tree: FieldTree | undefined
  #names: readonly string[] | undefined
  // Of the fields that are written, which are few.
  #written: FieldTree | undefined

  /** @internal `rows`: `name@offset:type` or `name@offset:type[count]`, separated by spaces; `parts`: the structs that it consists of. */
  constructor(name: string, size: number, rows: string, parts: Parts = {}) {
    this.size = size
    this.#name = name
    this.#rows = rows
    this.#parts = parts
  }

  /** In the order in which they lie. */
  get members(): readonly Member[] {
    return (this.#members ??= this.#rows.split(' ').map(parseRow))
  }

  /** A member, or one of a struct in it: `arch.debugreg`; undefined when there is none. Reads no other rows for it. */
  member(path: string): Member | undefined {
    const whole = this.#row(path)
    if (whole !== undefined) return whole
    for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
      const outer = this.#row(path.slice(0, dot))
      if (outer === undefined) continue
      const inner = this.#parts[outer.type]?.member(path.slice(dot + 1))
      if (inner !== undefined) return { ...inner, offset: outer.offset + inner.offset }
    }
    return undefined
  }

  #row(name: string): Member | undefined {
    const space = this.#rows.indexOf(` ${name}@`)
    if (space < 0 && !this.#rows.startsWith(`${name}@`)) return undefined
    const [row = ''] = this.#rows.slice(space + 1).split(' ', 1)
    return parseRow(row)
  }

  get #fields(): FieldTree {
    return (this.#tree ??= fieldTree(this.members, this.#parts))
  }

  decode(data: DataView, offset = 0): T {
    return decodeTree(this.#fields, data, offset) as T
  }

  /** Writes the fields that `patch` has and leaves the others. Throws before anything is written into `data`. */
  encode(patch: Patch<T>, data: DataView, offset = 0): void {
    this.#names ??= [...new Set(this.#rows.split(' ').map(firstName))]
    const values = checkOptions(this.#name, patch, this.#names)
    const scratch = new Uint8Array(this.size)
    const target = new Uint8Array(data.buffer, data.byteOffset + offset, this.size)
    scratch.set(target)
    const view = new DataView(scratch.buffer)
    for (const name of this.#names) {
      const value = values[name]
      if (value !== undefined) this.#field(name)?.encode(view, 0, `${this.#name}.${name}`, value)
    }
    target.set(scratch)
  }

  /** A field to be written, by its own row; one that has names within it needs them all. */
  #field(name: string): FieldCodec | undefined {
    const written: FieldTree = (this.#written ??= new Map<string, FieldCodec>())
    const known = written.get(name)
    if (known !== undefined) return known
    const row = this.#row(name)
    const field = row === undefined ? this.#fields.get(name) : leaf(row, this.#parts)
    if (field !== undefined) written.set(name, field)
    return field
  }

  /** A new buffer with these fields set and the others zero. */
  bytes(patch: Patch<T>): Uint8Array {
    const bytes = new Uint8Array(this.size)
    this.encode(patch, new DataView(bytes.buffer))
    return bytes
  }
}

/** `fpr@0:u8[128]`. Not by a regular expression: to compile one takes longer than all the rows of a first VM. */
function parseRow(row: string): Member {
  const at = row.indexOf('@')
  const colon = row.indexOf(':', at)
  const bracket = row.indexOf('[', colon)
  return {
    name: row.slice(0, at),
    offset: Number(row.slice(at + 1, colon)),
    type: row.slice(colon + 1, bracket < 0 ? undefined : bracket),
    count: bracket < 0 ? undefined : Number(row.slice(bracket + 1, -1)),
  }
}

/** `exception` of `exception.nr@4:u8`. */
function firstName(row: string): string {
  const [name = ''] = row.split('@', 1)
  const dot = name.indexOf('.')
  return dot < 0 ? name : name.slice(0, dot)
}

function decodeTree(fields: FieldTree, data: DataView, base: number): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [name, field] of fields) result[name] = field.decode(data, base)
  return result
}

function encodeTree(fields: FieldTree, data: DataView, base: number, name: string, patch: unknown): void {
  const values = checkOptions(name, patch, [...fields.keys()])
  for (const [key, field] of fields) {
    const value = values[key]
    if (value !== undefined) field.encode(data, base, `${name}.${key}`, value)
  }
}

/** Turns dotted names into nested objects. */
function fieldTree(members: readonly Member[], parts: Parts): FieldTree {
  const groups = new Map<string, Member[]>()
  const tree: FieldTree = new Map()
  for (const field of members) {
    const dot = field.name.indexOf('.')
    if (dot < 0) {
      tree.set(field.name, leaf(field, parts))
      continue
    }
    const prefix = field.name.slice(0, dot)
    const group = groups.get(prefix) ?? []
    group.push({ ...field, name: field.name.slice(dot + 1) })
    groups.set(prefix, group)
    tree.set(prefix, nested(group, parts))
  }
  return tree
}

function nested(fields: readonly Member[], parts: Parts): FieldCodec {
  let tree: FieldTree | undefined
  const members = () => (tree ??= fieldTree(fields, parts))
  return {
    decode: (data, base) => decodeTree(members(), data, base),
    encode: (data, base, name, value) => {
      encodeTree(members(), data, base, name, value)
    },
  }
}

function leaf({ offset, type, count }: Member, parts: Parts): FieldCodec {
  const part = parts[type]
  if (part !== undefined) {
    return count === undefined ? inner(part, offset) : array(inner(part, 0), offset, part.size, count)
  }
  if (count === undefined) return scalar(offset, type)
  return type === 'u8' ? byteArray(offset, count) : array(scalar(0, type), offset, WIDTHS[type] ?? 0, count)
}

/** A struct within a struct. */
function inner(struct: Part, offset: number): FieldCodec {
  return {
    decode: (data, base) => struct.decode(data, base + offset),
    encode: (data, base, name, value) => {
      try {
        struct.encode(value as object, data, base + offset)
      } catch (cause) {
        if (!(cause instanceof KvmError)) throw cause
        throw new KvmError(cause.code, `${name}: ${cause.message}`, { operands: { ...cause.operands }, cause })
      }
    },
  }
}

function scalar(offset: number, type: string): FieldCodec {
  if (type === 'u64') {
    return {
      decode: (data, base) => data.getBigUint64(base + offset, true),
      encode: (data, base, name, value) => {
        data.setBigUint64(base + offset, checkUint64(name, value), true)
      },
    }
  }
  if (type === 's64') {
    return {
      decode: (data, base) => data.getBigInt64(base + offset, true),
      encode: (data, base, name, value) => {
        data.setBigInt64(base + offset, checkInt64(name, value), true)
      },
    }
  }
  const width = WIDTHS[type] ?? 1
  const signed = type.startsWith('s')
  const accessor = `${signed ? 'Int' : 'Uint'}${(width * 8) as 8 | 16 | 32}` as const
  const [least, most] = signed ? [-(2 ** (width * 8 - 1)), 2 ** (width * 8 - 1) - 1] : [0, 2 ** (width * 8) - 1]
  return {
    decode: (data, base) => data[`get${accessor}`](base + offset, true),
    encode: (data, base, name, value) => {
      data[`set${accessor}`](base + offset, checkInteger(name, value, least, most), true)
    },
  }
}

function byteArray(offset: number, count: number): FieldCodec {
  const part = (data: DataView, base: number) => new Uint8Array(data.buffer, data.byteOffset + base + offset, count)
  return {
    decode: (data, base) => part(data, base).slice(),
    encode: (data, base, name, value) => {
      part(data, base).set(checkBytes(name, value, count))
    },
  }
}

function array(element: FieldCodec, offset: number, width: number, count: number): FieldCodec {
  return {
    decode: (data, base) =>
      Array.from({ length: count }, (_, index) => element.decode(data, base + offset + index * width)),
    encode: (data, base, name, value) => {
      if (!Array.isArray(value) || value.length !== count) throw invalidArgument(name, value, `an array of ${count}`)
      // Not forEach: a hole is a missing value.
      for (const [index, item] of value.entries()) {
        element.encode(data, base + offset + index * width, `${name}[${index}]`, item)
      }
    },
  }
}
