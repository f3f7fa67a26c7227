// @ts-check
// The TypeScript that is made of constants and layouts.

/** @import { Layout, Member } from './structs.mjs' */

/** What the headers say for one architecture. @typedef {{ constants: Map<string, bigint>, layouts: Map<string, Layout> }} Facts */

/** The constants that are tables of their own. */
const CAPABILITY = /^KVM_CAP_/
const EXIT = /^KVM_EXIT_(?!(IO|HYPERV|XEN|HYPERCALL|FAIL_ENTRY)_|\w*_FLAG_)/

const scalar = /^[us](8|16|32|64)$/

/**
 * What both architectures have alike, and what only one has.
 * @param {Facts} x86 @param {Facts} arm64
 * @returns {{ common: Facts, x86: Facts, arm64: Facts }}
 */
export function divide(x86, arm64) {
  const alike = (/** @type {string} */ name) =>
    describe(x86, name) !== undefined && describe(x86, name) === describe(arm64, name)
  /** @param {Facts} facts @param {boolean} common @returns {Facts} */
  const part = ({ constants, layouts }, common) => ({
    constants: new Map([...constants].filter(([name, value]) => (pair(x86, arm64, name) === value) === common)),
    layouts: new Map([...layouts].filter(([name]) => alike(name) === common)),
  })
  return { common: part(x86, true), x86: part(x86, false), arm64: part(arm64, false) }
}

/** @param {Facts} x86 @param {Facts} arm64 @param {string} name */
function pair(x86, arm64, name) {
  const value = x86.constants.get(name)
  return value === arm64.constants.get(name) ? value : undefined
}

/** A layout with those of the structs in it. @param {Facts} facts @param {string} name @returns {string | undefined} */
function describe(facts, name) {
  const layout = facts.layouts.get(name)
  if (layout === undefined) return undefined
  return `${layout.size} ${layout.members.map((member) => row(member) + (isStruct(member) ? `(${describe(facts, member.type) ?? ''})` : '')).join(' ')}`
}

/** @param {Member} member */
const isStruct = ({ type }) => !scalar.test(type)

/** @param {Member} member */
export const row = ({ name, offset, type, count }) =>
  `${name}@${offset}:${type}${count === undefined ? '' : `[${count}]`}`

/** @param {string} version */
const head = (version) => `// Written by \`npm run uapi\` from the headers of Linux ${version}.\n\n`

/** @param {Map<string, bigint>} numbers */
const table = (numbers) =>
  [...numbers]
    .sort(([a, x], [b, y]) => Number(x - y) || (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${value},`)
    .join('\n')

/** @param {string} version @param {Map<string, bigint>} capabilities @param {Map<string, bigint>} exits @param {Set<string>} ioctls */
export function writeTables(version, capabilities, exits, ioctls) {
  const names = [...ioctls].sort().map((name) => `'${name}',`)
  return {
    'capabilities.ts': `${head(version)}/** Every capability of the KVM API and its number (KVM API, KVM_CHECK_EXTENSION). */
export const CAPABILITY_NUMBERS = {\n${table(capabilities)}\n} as const\n`,
    'exits.ts': `${head(version)}/** Every reason for which KVM_RUN returns (KVM API, the kvm_run structure). */
export const EXIT_REASONS = {\n${table(exits)}\n} as const\n`,
    'ioctls.ts': `${head(version)}/** Every ioctl of the KVM API, but those that only other architectures have. */
export const IOCTLS = [\n${names.join('\n')}\n] as const\n`,
  }
}

/** @param {string} name */
export const kindOfConstant = (name) => (CAPABILITY.test(name) ? 'capability' : EXIT.test(name) ? 'exit' : 'constant')

/**
 * @param {string} version @param {Facts} facts
 * @param {Facts} [common] what is imported from common.ts
 */
export function writeFacts(version, { constants, layouts }, common) {
  const constantLines = [...constants]
    .filter(([name]) => kindOfConstant(name) === 'constant')
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, value]) =>
        `export const ${name} = ${value > Number.MAX_SAFE_INTEGER ? `0x${value.toString(16)}n` : value}`,
    )
  const sorted = order(layouts)
  const imported = [...new Set(sorted.flatMap(([, { members }]) => members.filter(isStruct).map(({ type }) => type)))]
    .filter((name) => common?.layouts.has(name))
    .sort()
  const imports =
    `import { Struct } from '../struct.js'\n` +
    (imported.length > 0 ? `import { ${imported.join(', ')} } from './common.js'\n` : '')
  return `${head(version)}${imports}\n${constantLines.join('\n')}\n\n${sorted.map(([name, layout]) => struct(name, layout)).join('\n')}`
}

/** Structs after those that they consist of. @param {Map<string, Layout>} layouts */
function order(layouts) {
  /** @type {Map<string, Layout>} */
  const done = new Map()
  const visit = (/** @type {string} */ name) => {
    const layout = layouts.get(name)
    if (layout === undefined || done.has(name)) return
    for (const member of layout.members) if (isStruct(member)) visit(member.type)
    done.set(name, layout)
  }
  for (const name of [...layouts.keys()].sort()) visit(name)
  return [...done]
}

/** @param {string} name @param {Layout} layout */
function struct(name, { size, members }) {
  const parts = [...new Set(members.filter(isStruct).map(({ type }) => type))].sort()
  const rest = parts.length > 0 ? `, { ${parts.join(', ')} }` : ''
  const type = `/** struct ${name}. */\nexport interface ${name} {\n${typeMembers(members, '', '  ')}}\n`
  return `${type}export const ${name} = /* @__PURE__ */ new Struct<${name}>('${name}', ${size}, '${members.map(row).join(' ')}'${rest})\n`
}

/** @param {Member[]} members @param {string} prefix @param {string} indent @returns {string} */
function typeMembers(members, prefix, indent) {
  let text = ''
  /** @type {Set<string>} */
  const groups = new Set()
  for (const member of members) {
    const name = member.name.slice(prefix.length)
    const dot = name.indexOf('.')
    if (dot < 0) {
      text += `${indent}${name}: ${typeOf(member)}\n`
      continue
    }
    const group = name.slice(0, dot)
    if (groups.has(group)) continue
    groups.add(group)
    const inner = `${prefix}${group}.`
    const own = members.filter((other) => other.name.startsWith(inner))
    text += `${indent}${group}: {\n${typeMembers(own, inner, `${indent}  `)}${indent}}\n`
  }
  return text
}

/** @param {Member} member */
function typeOf({ type, count }) {
  if (count !== undefined && type === 'u8') return 'Uint8Array'
  const one = scalar.test(type) ? (type.endsWith('64') ? 'bigint' : 'number') : type
  return count === undefined ? one : `${one}[]`
}
