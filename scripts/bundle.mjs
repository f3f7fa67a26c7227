// @ts-check
// Bundles lib/ into dist/: a file for each entry point, and in dist/chunks/ what several of them share. All entry points are
// bundled at once, so that a class exists once in a process, whichever of them a program imports. Loading some 200 modules one
// by one took longer than all that they do before a guest runs. The types come from tsc, a file for each source.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** @typedef {{ exports: Record<string, string | { default: string }>, bin: Record<string, string>, dependencies: object }} Manifest */
const manifest = /** @type {unknown} */ (JSON.parse(readFileSync('package.json', 'utf8')))
const { exports, bin, dependencies } = /** @type {Manifest} */ (manifest)
const exported = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
const entries = [...exported, 'dist/cli/trace.mjs']
/**
 * The command's files, CommonJS. What starts it is package.json's bin, whose name stays: in a checkout npx has linked it in a
 * cache of its own, and never looks again.
 */
const programs = [...Object.values(bin), 'dist/cli/command.js', 'dist/cli/compile.js']

/** @param {string} path */
const nameOf = (path) => path.replace(/^(\.\/)?dist\/(.*)\.m?js$/, '$2')
/** @param {string[]} paths */
const sources = (paths) => Object.fromEntries(paths.map((path) => [nameOf(path), `lib/${nameOf(path)}.ts`]))

const common = /** @type {const} */ ({
  platform: 'node',
  tsconfig: true,
  transform: { target: 'node20.19' },
})
const output = /** @type {const} */ ({ dir: 'dist', minifyInternalExports: false })

// Compiled from the code that goes now.
mkdirSync('dist/cli', { recursive: true })
for (const file of readdirSync('dist/cli')) if (file.includes('.compiled')) rmSync(join('dist/cli', file))

const library = await build({
  ...common,
  input: sources(entries),
  external: Object.keys(dependencies),
  output: {
    ...output,
    sourcemap: true,
    entryFileNames: ({ name }) => (name.startsWith('cli/') ? '[name].mjs' : '[name].js'),
    chunkFileNames: 'chunks/[name].js',
  },
})

// Modules of Node that most commands do not need, and what is used of them: loading one takes longer than most of what a command does.
/** @type {Record<string, string[]>} */
const LATE = { 'node:child_process': ['spawn', 'spawnSync', 'execFileSync'], 'node:zlib': ['crc32', 'gunzip'] }
/** @type {import('rolldown').Plugin} */
const late = {
  name: 'late',
  resolveId: (id) => (id in LATE ? `\0${id}` : undefined),
  load(id) {
    const name = id.slice(1)
    const call = (/** @type {string} */ what) => `process.getBuiltinModule('${name}').${what}(...args)`
    return LATE[name]?.map((what) => `export const ${what} = (...args) => ${call(what)}`).join('\n')
  },
}

// The command is one CommonJS file, because V8 keeps compiled code of such only (lib/cli/command-code.ts), packages included, but
// for a large one that it loads when a guest has died; and without import(), which that code cannot use.
const commands = []
for (const [name, source] of Object.entries(sources(programs))) {
  const built = await build({
    ...common,
    input: { [name]: source },
    external: ['iced-x86'],
    plugins: [late],
    output: { ...output, format: 'cjs', dynamicImportInCjs: false, codeSplitting: false, entryFileNames: '[name].js' },
  })
  commands.push(...built.output)
}

/** @param {string} name @returns {string} */
function license(name) {
  const folder = `node_modules/${name}`
  const file = readdirSync(folder).find((file) => /^license/i.test(file))
  if (file !== undefined) return readFileSync(join(folder, file), 'utf8')
  const packageJson = /** @type {unknown} */ (JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')))
  const { license, author } = /** @type {Record<string, string>} */ (packageJson)
  return `License: ${license}. Author: ${author}.\n`
}
const modules = commands.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
const packages = new Set(modules.flatMap((id) => /node_modules\/([^/]+)\//.exec(id)?.[1] ?? []))
const notices = [...packages].map((name) => `── ${name}\n\n${license(name)}`)
writeFileSync('dist/cli/package.json', '{ "type": "commonjs" }\n')
writeFileSync('dist/cli/LICENSES.txt', `The packages in command.js:\n\n${notices.join('\n')}`)

// What an earlier build has left. At the end, so that a program that runs meanwhile still finds what it loads late.
const written = new Set([...library.output, ...commands].map(({ fileName }) => fileName))
for (const path of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
  if (/^(?!examples\/).+\.[cm]?js(\.map)?$/.test(path) && !written.has(path)) rmSync(join('dist', path))
}
