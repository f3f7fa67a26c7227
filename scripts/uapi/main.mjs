// @ts-check
// `npm run uapi`: writes lib/kvm/generated/ from the kernel's headers: constants, the layouts of structs, and their types.
//   npm run uapi -- --headers FOLDER   from Debian's linux-libc-dev (its newest knows most), unpacked in that folder
//   npm run uapi -- --check            compares with the headers that are installed here, which may be older
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { format, resolveConfig } from 'prettier'
import { compareWith } from './compare.mjs'
import { Compiler } from './compiler.mjs'
import { parseLayouts } from './structs.mjs'
import { divide, kindOfConstant, writeFacts, writeTables } from './write.mjs'

/** @import { Facts } from './write.mjs' */

const folder = fileURLToPath(new URL('../../lib/kvm/generated/', import.meta.url))
const { values } = parseArgs({ options: { headers: { type: 'string' }, check: { type: 'boolean', default: false } } })

/** Names of other architectures; of the calls and capabilities all are kept that this header has. */
const FOREIGN = /S390|PPC|MIPS|RISCV|LOONGARCH|^KVM_(DEV_(MPIC|XICS|XIVE|FLIC)|STATE_\w*S390)/

/** @param {'x86' | 'arm64'} architecture */
function read(architecture) {
  const compiler = new Compiler(architecture, values.headers)
  const macros = compiler.macros()
  const names = new Set([...macros.keys(), ...compiler.enumerators()].filter((name) => name.startsWith('KVM_')))
  const numbers = compiler.values(names)
  const isIoctl = (/** @type {string} */ name) => /^_IO[RW]*\(/.test(macros.get(name) ?? '')
  /** @type {Set<string>} */
  const ioctls = new Set()
  /** @type {Facts} */
  const facts = { constants: new Map(), layouts: parseLayouts(compiler.layouts()) }
  for (const [name, value] of numbers) {
    if (isIoctl(name) && !FOREIGN.test(name)) ioctls.add(name)
    else if (!isIoctl(name) && (kindOfConstant(name) !== 'constant' || !FOREIGN.test(name)))
      facts.constants.set(name, value)
  }
  return { version: compiler.version(), facts, ioctls }
}

const x86 = read('x86')
const arm64 = read('arm64')
if (values.check) {
  process.exitCode = compareWith(folder, x86, arm64)
} else {
  const { version } = x86
  const both = new Map([...arm64.facts.constants, ...x86.facts.constants])
  const pick = (/** @type {string} */ kind) => new Map([...both].filter(([name]) => kindOfConstant(name) === kind))
  const parts = divide(x86.facts, arm64.facts)
  const files = {
    ...writeTables(version, pick('capability'), pick('exit'), new Set([...arm64.ioctls, ...x86.ioctls])),
    'common.ts': writeFacts(version, parts.common),
    'x86.ts': writeFacts(version, parts.x86, parts.common),
    'arm64.ts': writeFacts(version, parts.arm64, parts.common),
  }
  mkdirSync(folder, { recursive: true })
  const options = await resolveConfig(folder)
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), await format(text, { parser: 'typescript', ...options }))
  }
}
