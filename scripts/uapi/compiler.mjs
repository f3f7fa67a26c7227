// @ts-check
// What a compiler says of the kernel's headers: clang, because it prints how structs lie in memory.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {'x86' | 'arm64'} Architecture */

/** @type {Record<Architecture, { target: string, triplet: string, installed: string[] }>} */
const ARCHITECTURES = {
  x86: {
    target: 'x86_64-linux-gnu',
    triplet: 'x86_64-linux-gnu',
    installed: ['/usr/include', '/usr/include/x86_64-linux-gnu'],
  },
  arm64: { target: 'aarch64-linux-gnu', triplet: 'aarch64-linux-gnu', installed: ['/usr/aarch64-linux-gnu/include'] },
}

/** Debian's clang carries its version in its name. */
const CLANG = ['clang', 'clang-19', 'clang-16', 'clang-14'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
)

const SOURCE = '#include <linux/version.h>\n#include <linux/kvm.h>\n'

export class Compiler {
  /** @type {string[]} */
  #options

  /** @param {Architecture} architecture @param {string} [root] where Debian's linux-libc-dev was unpacked; else the installed headers */
  constructor(architecture, root) {
    const { target, triplet, installed } = ARCHITECTURES[architecture]
    const folders = root === undefined ? installed : [join(root, 'usr/include'), join(root, 'usr/include', triplet)]
    for (const folder of folders) if (!existsSync(folder)) throw new Error(`there are no headers in ${folder}`)
    this.#options = [`--target=${target}`, '-x', 'c', '-nostdinc', ...folders.map((folder) => `-I${folder}`)]
  }

  /** Every macro without parameters, with its definition. @returns {Map<string, string>} */
  macros() {
    const text = this.#run(['-E', '-dM', '-'], SOURCE).output
    return new Map(Array.from(text.matchAll(/^#define (\w+) (.*)$/gm), ([, name = '', value = '']) => [name, value]))
  }

  /** The kernel's version, `7.2.13`. */
  version() {
    const code = Number(this.macros().get('LINUX_VERSION_CODE'))
    return `${code >> 16}.${(code >> 8) & 0xff}.${code & 0xff}`
  }

  /** The members of every enum. @returns {string[]} */
  enumerators() {
    const text = this.#run(['-E', '-P', '-'], SOURCE).output
    return Array.from(text.matchAll(/\benum\b[^{;]*\{([^}]*)\}/g), ([, body = '']) =>
      Array.from(body.matchAll(/(?:^|,)\s*(\w+)/g), ([, name = '']) => name),
    ).flat()
  }

  /** The values of those names that are integers. @param {Iterable<string>} names @returns {Map<string, bigint>} */
  values(names) {
    let wanted = [...names]
    const source = () =>
      SOURCE +
      wanted.map((name) => `const unsigned long long value_of_${name} = (unsigned long long)(${name});`).join('\n')
    // A name that is no integer spoils its own line.
    const first = SOURCE.split('\n').length
    const { errors } = this.#run(['-fsyntax-only', '-ferror-limit=0', '-w', '-'], source(), true)
    const spoilt = new Set(
      Array.from(errors.matchAll(/^<stdin>:(\d+):\d+: error/gm), ([, line]) => Number(line) - first),
    )
    wanted = wanted.filter((_, index) => !spoilt.has(index))
    const assembly = this.#run(['-S', '-w', '-o', '-', '-'], source()).output
    return new Map(
      Array.from(
        assembly.matchAll(/^value_of_(\w+):\n\s*\.[x]?(?:quad|word)\s+(-?\w+)/gm),
        ([, name = '', value = '']) => [name, BigInt.asUintN(64, BigInt(value))],
      ),
    )
  }

  /** How every struct lies in memory, as clang prints it. */
  layouts() {
    return this.#run(['-fsyntax-only', '-Xclang', '-fdump-record-layouts-complete', '-'], SOURCE).output
  }

  /** @param {string[]} options @param {string} input @param {boolean} [mayFail] */
  #run(options, input, mayFail = false) {
    if (CLANG === undefined) throw new Error('clang is not installed')
    const { status, stdout, stderr } = spawnSync(CLANG, [...this.#options, ...options], {
      input,
      encoding: 'utf8',
      maxBuffer: 64 << 20,
    })
    if (status !== 0 && !mayFail) throw new Error(stderr)
    return { output: stdout, errors: stderr }
  }
}
