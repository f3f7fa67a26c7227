// @ts-check
// Whether what was generated is true of the headers here. They may be older: then they know less, but nothing else.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kindOfConstant, row } from './write.mjs'

/** @import { Facts } from './write.mjs' */
/** What was read of one architecture's headers. @typedef {{ version: string, facts: Facts, ioctls: Set<string> }} Headers */

/** What Linux has changed since: ends of lists, and what was padding. */
const CHANGED = /_MAX$|^KVM_DIRTY_LOG_PAGE_OFFSET$|^sizeof kvm_svm_nested_state_hdr$|^kvm_run\.(hypercall|tdx)\./

/** Calls that Linux no longer has. */
const DROPPED = /^KVM_(ASSIGN|DEASSIGN|TRACE|DEBUG_GUEST|SET_MEMORY_ALIAS|SET_MEMORY_REGION$)/

/** @param {string} folder @param {Headers} x86 @param {Headers} arm64 @returns {number} the exit status */
export function compareWith(folder, x86, arm64) {
  const read = (/** @type {string} */ name) => readFileSync(join(folder, `${name}.ts`), 'utf8')
  const everyones = ['capabilities', 'exits', 'ioctls', 'common'].map(read).join('')
  /** @type {string[]} */
  const wrong = []
  let compared = 0
  const same = (
    /** @type {string} */ name,
    /** @type {string | number | bigint} */ here,
    /** @type {string | number | bigint | undefined} */ generated,
  ) => {
    if (CHANGED.test(name)) return
    compared++
    if (here !== generated)
      wrong.push(`${name}: the headers say ${String(here)}, lib/kvm/generated says ${String(generated)}`)
  }
  const known = (/** @type {string} */ name) => {
    if (!DROPPED.test(name) && !everyones.includes(name)) wrong.push(`${name} is not in lib/kvm/generated`)
  }
  for (const [own, { facts, ioctls }] of /** @type {const} */ ([
    ['x86', x86],
    ['arm64', arm64],
  ])) {
    const text = everyones + read(own)
    const numbers = new Map(
      Array.from(text.matchAll(/\b(KVM_\w+)(?: =|:) (\w+)/g), ([, name, value = '']) => [
        name,
        BigInt(value.replace(/n$/, '')),
      ]),
    )
    const structs = new Map(
      Array.from(text.matchAll(/new Struct<(\w+)>\(\s*'\w+',\s*(\d+),\s*'([^']*)'/g), ([, name, size, rows = '']) => [
        name,
        { size: Number(size), rows: new Set(rows.split(' ')) },
      ]),
    )
    for (const name of [...ioctls, ...facts.constants.keys()])
      if (kindOfConstant(name) !== 'constant' || ioctls.has(name)) known(name)
    for (const [name, value] of facts.constants) if (numbers.has(name)) same(name, value, numbers.get(name))
    for (const [name, { size, members }] of facts.layouts) {
      const struct = structs.get(name)
      if (struct === undefined) continue
      same(`sizeof ${name}`, size, struct.size)
      for (const member of members) {
        const expected = row(member)
        same(`${name}.${member.name}`, expected, struct.rows.has(expected) ? expected : 'another place')
      }
    }
  }
  console.log(
    wrong.length > 0 ? wrong.join('\n') : `${compared} facts of Linux ${x86.version}'s headers are as generated`,
  )
  return wrong.length > 0 ? 1 : 0
}
