// @ts-check
// From clang's dump of record layouts to the members that JavaScript reads and writes.

/**
 * @typedef {object} Member
 * @property {string} name   with dots where it lies in a struct or union that has no name of its own
 * @property {number} offset in bytes
 * @property {string} type   u8 … u64, s8 … s64, or the name of another struct
 * @property {number | undefined} count  of an array
 */

/** @typedef {{ size: number, members: Member[] }} Layout */

/** A line of the dump. @typedef {{ offset: number, depth: number, text: string }} Line */

/** @type {Record<string, string>} */
const SCALARS = {
  __u8: 'u8',
  __u16: 'u16',
  __u32: 'u32',
  __u64: 'u64',
  __s8: 's8',
  __s16: 's16',
  __s32: 's32',
  __s64: 's64',
  char: 'u8',
  'unsigned char': 'u8',
  'unsigned int': 'u32',
  int: 's32',
  long: 's64',
  'long long': 's64',
  'unsigned long': 'u64',
  'unsigned long long': 'u64',
}
/** @type {Record<string, number>} */
const WIDTHS = { u8: 1, s8: 1, u16: 2, s16: 2, u32: 4, s32: 4, u64: 8, s64: 8 }

/** Not what belongs to other architectures. */
const WANTED = /^(reg_mask_range|kvm_(?!s390|ppc|book3e|config_tlb|dirty_tlb|vfio_spapr|irq_routing_s390).*)$/

const PADDING = /^_*(pad|padding|reserved|dummy|rsvd)\w*$/

const FIELD =
  /^(?<type>(?:struct|union) (?:.*?\((?:unnamed|anonymous)[^)]*\)|\w+)|[\w ]*?\w+)(?<dims>(?:\[\d*\])*)(?<pointer> \*)?(?: (?<name>\w+))?$/

/** @param {string} dump @returns {Map<string, Layout>} */
export function parseLayouts(dump) {
  /** @type {Map<string, { lines: Line[], size: number }>} */
  const records = new Map()
  for (const block of dump.split('*** Dumping AST Record Layout').slice(1)) {
    const lines = Array.from(
      block.matchAll(/^ *(\d+)(?::[-\d]+)? \|( +)(.+)$/gm),
      ([whole, offset, indent = '', text = '']) => ({
        offset: Number(offset),
        depth: (indent.length - 1) / 2,
        // A bit field has no address.
        text: /^ *\d+:/.test(whole) ? '' : text.trimEnd(),
      }),
    )
    const size = Number(/\[sizeof=(\d+)/.exec(block)?.[1])
    const title = lines[0]?.text
    if (title !== undefined) records.set(key(title), { lines: lines.slice(1), size })
  }
  /** @type {Map<string, Layout>} */
  const layouts = new Map()
  for (const [title, { lines, size }] of records) {
    const name = /^struct (\w+)$/.exec(title)?.[1]
    if (name === undefined || !WANTED.test(name)) continue
    const found = members(lines, 1, '', records)
    if (found.length > 0) layouts.set(name, { size, members: found })
  }
  return layouts
}

/** A record without a name is known by where it stands. @param {string} type */
const key = (type) => /at (\S+:\d+:\d+)\)/.exec(type)?.[1] ?? type

/**
 * @param {Line[]} lines @param {number} depth @param {string} prefix
 * @param {Map<string, { lines: Line[], size: number }>} records
 * @returns {Member[]}
 */
function members(lines, depth, prefix, records) {
  /** @type {Member[]} */
  const found = []
  for (const [index, line] of lines.entries()) {
    if (line.depth !== depth || line.text === '') continue
    const groups = FIELD.exec(line.text)?.groups
    if (groups === undefined) throw new Error(`a line that is not understood: ${line.text}`)
    const { type = '', dims = '', pointer, name } = groups
    const end = lines.findIndex((other, at) => at > index && other.depth <= depth)
    const children = lines.slice(index + 1, end < 0 ? lines.length : end)
    const isArray = dims !== ''
    const count = isArray
      ? dims
          .slice(1, -1)
          .split('][')
          .map(Number)
          .reduce((all, one) => all * one, 1)
      : undefined
    if (pointer !== undefined || count === 0 || (name !== undefined && PADDING.test(name))) continue
    const record = /^(struct|union) /.test(type)
    const nameless = record && type.includes('(')
    if (nameless && !isArray) {
      found.push(...members(children, depth + 1, name === undefined ? prefix : `${prefix}${name}.`, records))
      continue
    }
    if (name === undefined) throw new Error(`a member without a name: ${line.text}`)
    let scalar = SCALARS[type]
    if (nameless) {
      // An array of a number and of its bit fields is one of the number.
      const [first] = records.get(key(type))?.lines ?? []
      scalar = SCALARS[first?.text.split(' ')[0] ?? '']
      if (scalar === undefined || WIDTHS[scalar] !== records.get(key(type))?.size) continue
    }
    const kind = scalar ?? /^struct (\w+)$/.exec(type)?.[1] ?? /^union (\w+)$/.exec(type)?.[1]
    if (kind === undefined || (scalar === undefined && !WANTED.test(kind))) continue
    found.push({ name: prefix + name, offset: line.offset, type: kind, count })
  }
  return found
}
