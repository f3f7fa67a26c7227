// @ts-check
// Makes a linker see an older glibc than the one that it was installed with, so that what it links loads with that one, too.
//
// Since glibc keeps every version of a symbol, today's library says what an older one had. This writes libraries of the same
// names that have only that, for the linker to look at: there is no code in them. What is newer is then an undefined symbol.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compareVersions } from './needs.mjs'

const NEWER = fileURLToPath(new URL('newer.c', import.meta.url))

/**
 * What libc took over from libraries of their own, in 2.34 at the latest; where it has not yet, a program must name them.
 * @type {Record<string, RegExp>}
 */
const MERGED = {
  'libpthread.so.0': /^(pthread|sem)_/,
  'librt.so.1': /^(aio|lio|mq|shm|timer)_/,
  'libdl.so.2': /^dl/,
}

/** @typedef {{ name: string, type: string, version: string, moved: boolean }} Symbol */

/**
 * Fills a folder that makes a compiler link for glibc `release` when it is named by -L.
 * @param {string} folder
 * @param {string} compiler
 * @param {string} release
 */
export function writeOldGlibc(folder, compiler, release) {
  /** @param {string} name */
  const installed = (name) => execFileSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()

  /** @param {string} library @param {Symbol[]} symbols */
  const write = (library, symbols) => {
    const [assembly, map] = [join(folder, `${library}.s`), join(folder, `${library}.map`)]
    writeFileSync(
      assembly,
      symbols.map(({ name, type }) => `.globl ${name}\n.type ${name}, %${type}\n${name}:\n`).join(''),
    )
    const versions = [...new Set(symbols.map(({ version }) => version))]
    /** @param {string} wanted */
    const names = (wanted) => symbols.flatMap(({ name, version }) => (version === wanted ? [`${name};`] : []))
    writeFileSync(map, versions.map((version) => `${version} { ${names(version).join(' ')} };\n`).join(''))
    const options = ['-shared', '-nostdlib', `-Wl,-soname,${library},--version-script,${map}`]
    execFileSync(compiler, [...options, '-o', join(folder, library), assembly])
  }

  const symbols = symbolsOf(installed('libc.so.6'), release)
  const home = (/** @type {Symbol} */ { name, moved }) =>
    (moved ? Object.entries(MERGED).find(([, names]) => names.test(name))?.[0] : undefined) ?? 'libc.so.6'
  for (const library of ['libc.so.6', ...Object.keys(MERGED)])
    write(
      library,
      symbols.filter((symbol) => home(symbol) === library),
    )
  write('libm.so.6', symbolsOf(installed('libm.so.6'), release))

  execFileSync(compiler, ['-O2', '-fPIC', '-fvisibility=hidden', '-c', '-o', join(folder, 'newer.o'), NEWER])
  // As in the one that it stands for: what is in every program, and the loader, which has what a thread's own variables need.
  const [loader] = /\S*ld-linux\S*/.exec(readFileSync(installed('libc.so'), 'utf8')) ?? ['']
  const others = [...Object.keys(MERGED), loader].join(' ')
  writeFileSync(
    join(folder, 'libc.so'),
    `GROUP ( libc.so.6 ${installed('libc_nonshared.a')} newer.o AS_NEEDED ( ${others} ) )\n`,
  )
  writeFileSync(join(folder, 'libm.so'), 'GROUP ( AS_NEEDED ( libm.so.6 ) )\n')
}

/**
 * The symbols that a library had in a release of glibc, each in its newest version of then.
 * @param {string} library
 * @param {string} release
 */
function symbolsOf(library, release) {
  /** @type {Map<string, Symbol>} */
  const symbols = new Map()
  /** Those that have had a new version since: in the table the old one can come first. */
  const moved = new Set()
  const table = execFileSync('readelf', ['--wide', '--dyn-syms', library], { encoding: 'utf8', maxBuffer: 2 ** 26 })
  for (const [, kind, name = '', version = ''] of table.matchAll(
    / (FUNC|IFUNC|OBJECT) .* (?!UND)\S+ +(\w+)@@?GLIBC_([\d.]+)$/gm,
  )) {
    if (compareVersions(version, release) > 0) moved.add(name)
    else if (compareVersions(version, symbols.get(name)?.version ?? '0') > 0)
      symbols.set(name, { name, type: kind === 'OBJECT' ? 'object' : 'function', version, moved: false })
  }
  return [...symbols.values()].map((symbol) => ({
    ...symbol,
    version: `GLIBC_${symbol.version}`,
    moved: moved.has(symbol.name),
  }))
}
