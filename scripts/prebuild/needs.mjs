// @ts-check
// What a prebuilt addon may need of a system: no more than Node 20's own binaries do, which run on RHEL 8, Debian 10 and Ubuntu 20.04.
// The C++ library is inside. libgcc_s is not, but node needs it as well; so there is one that unwinds the stack.
import { execFileSync } from 'node:child_process'

/** The newest versions of the libraries' symbols. @type {{ GLIBC: string, GCC: string }} */
export const LIMITS = { GLIBC: '2.28', GCC: '8.0.0' }

const LIBRARIES = /^(ld-linux-[\w-]+|lib(c|dl|gcc_s|m|pthread|rt))\.so\.\d$/
/** Node itself has these. */
const NODE = /^(napi|node_api|uv)_/

/**
 * What an addon needs that a system with the oldest libraries lacks.
 * @param {string} file
 */
export function needsTooMuch(file) {
  const table = execFileSync('readelf', ['--wide', '--dynamic', '--dyn-syms', file], { encoding: 'utf8' })
  const libraries = [...table.matchAll(/Shared library: \[(.+)\]/g)].map(([, name = '']) => name)
  const symbols = [...table.matchAll(/ GLOBAL +DEFAULT +UND +(\w+)(?:@(\w+?)_([\d.]+))?/g)].filter(
    ([, name = '', library, version = '']) =>
      library === undefined
        ? !NODE.test(name)
        : !(library === 'GLIBC' || library === 'GCC') || compareVersions(version, LIMITS[library]) > 0,
  )
  return [...libraries.filter((name) => !LIBRARIES.test(name)), ...symbols.map(([text]) => text.replace(/.* /, ''))]
}

/** Negative when the first is the older one. @param {string} a @param {string} b */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number))
  for (const part of [0, 1, 2]) {
    const difference = (left?.[part] ?? 0) - (right?.[part] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
