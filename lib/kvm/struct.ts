import { KvmError } from '../errors.js'
import { checkBytes, checkInteger, checkOptions, checkUint64, invalidArgument } from '../validate.js'
import { binding, type NativeField, type NativeLayout } from './binding.js'

/** An object whose every part may be left out. */
export type Patch<T> = {
  [K in keyof T]?: T[K] extends Uint8Array | readonly unknown[] ? T[K] : T[K] extends object ? Patch<T[K]> : T[K]
}

/** Reads and writes one field of a kernel struct, at a base offset. */
interface FieldCodec {
  decode(data: DataView, base: number): unknown
  /** Checks `value` and writes it. `name` is for messages. */
  encode(data: DataView, base: number, name: string, value: unknown): void
}

type FieldTree = Map<string, FieldCodec>

/**
 * A kernel struct as a plain object, by the compiler's layout: 64-bit fields are bigints, smaller ones numbers, byte
 * arrays `Uint8Array`s, 64-bit arrays `bigint[]`s, arrays of structs arrays of objects.
 */
export class Struct<T extends object> {
  /** In bytes. */
  readonly size: number
  readonly #name: string
  // Made when it is used: a program uses few of all structs.
  #tree: FieldTree | undefined

  constructor(name: string) {
    // An architecture without this struct: whatever needs it fails when it is used, not when it is loaded.
    this.size = binding.layout[name]?.size ?? 0
    this.#name = name
  }

  get #fields(): FieldTree {
    return (this.#tree ??= fieldTree(this.#layout.fields))
  }

  get #layout(): NativeLayout {
    const layout = binding.layout[this.#name]
    if (layout !== undefined) return layout
    throw new KvmError('ERR_KVM_UNSUPPORTED', `struct ${this.#name} does not exist on ${process.arch}`, {
      operands: { struct: this.#name },
    })
  }

  decode(data: DataView, offset = 0): T {
    return decodeTree(this.#fields, data, offset) as T
  }

  /** Writes the fields that `patch` has and leaves the others. Throws before anything is written into `data`. */
  encode(patch: Patch<T>, data: DataView, offset = 0): void {
    const fields = this.#fields
    const scratch = new Uint8Array(this.size)
    const target = new Uint8Array(data.buffer, data.byteOffset + offset, this.size)
    scratch.set(target)
    encodeTree(fields, new DataView(scratch.buffer), 0, this.#name, patch)
    target.set(scratch)
  }

  /** A new buffer with these fields set and the others zero. */
  bytes(patch: Patch<T>): Uint8Array {
    const bytes = new Uint8Array(this.size)
    this.encode(patch, new DataView(bytes.buffer))
    return bytes
  }
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
function fieldTree(fields: readonly NativeField[]): FieldTree {
  const groups = new Map<string, NativeField[]>()
  const tree: FieldTree = new Map()
  for (const field of fields) {
    const dot = field.name.indexOf('.')
    if (dot < 0) {
      tree.set(field.name, leaf(field))
      continue
    }
    const prefix = field.name.slice(0, dot)
    const group = groups.get(prefix) ?? []
    group.push({ ...field, name: field.name.slice(dot + 1) })
    groups.set(prefix, group)
    tree.set(prefix, nested(group))
  }
  return tree
}

function nested(fields: readonly NativeField[]): FieldCodec {
  let tree: FieldTree | undefined
  const members = () => (tree ??= fieldTree(fields))
  return {
    decode: (data, base) => decodeTree(members(), data, base),
    encode: (data, base, name, value) => {
      encodeTree(members(), data, base, name, value)
    },
  }
}

function leaf(field: NativeField): FieldCodec {
  const { offset, type, width, count } = field
  if (type !== 'uint' && type !== 'int') {
    return count === 1 ? member(type, offset) : array(member(type, 0), offset, width, count)
  }
  if (count === 1) return scalar(offset, width)
  if (width === 1) return byteArray(offset, count)
  return array(scalar(0, width), offset, width, count)
}

/** A struct within a struct. */
function member(type: string, offset: number): FieldCodec {
  const struct = new Struct<object>(type)
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

function scalar(offset: number, width: number): FieldCodec {
  if (width === 8) {
    return {
      decode: (data, base) => data.getBigUint64(base + offset, true),
      encode: (data, base, name, value) => {
        data.setBigUint64(base + offset, checkUint64(name, value), true)
      },
    }
  }
  const bits = width === 1 ? 'Uint8' : width === 2 ? 'Uint16' : 'Uint32'
  return {
    decode: (data, base) => data[`get${bits}`](base + offset, true),
    encode: (data, base, name, value) => {
      data[`set${bits}`](base + offset, checkInteger(name, value, 0, 2 ** (width * 8) - 1), true)
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
