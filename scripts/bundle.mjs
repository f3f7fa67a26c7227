// @ts-check
// Bundles lib/ into dist/: a file for each entry point, and in dist/chunks/ what several of them share. All entry points are
// bundled at once, so that a class exists once in a process, whichever of them a program imports. Loading some 200 modules one
// by one took longer than all that they do before a guest runs. The types come from tsc, a file for each source.
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

/** @typedef {{ exports: Record<string, string | { default: string }>, bin: Record<string, string>, dependencies: object }} Manifest */
const manifest = /** @type {unknown} */ (JSON.parse(readFileSync('package.json', 'utf8')))
const { exports, bin, dependencies } = /** @type {Manifest} */ (manifest)
const exported = Object.values(exports).flatMap((entry) => (typeof entry === 'string' ? [] : [entry.default]))
const entries = [...exported, ...Object.values(bin), 'dist/cli/trace.js']
const names = entries.map((path) => path.replace(/^(\.\/)?dist\/(.*)\.js$/, '$2'))

const { output } = await build({
  input: Object.fromEntries(names.map((name) => [name, `lib/${name}.ts`])),
  platform: 'node',
  tsconfig: true,
  external: Object.keys(dependencies),
  transform: { target: 'node20.19' },
  output: {
    dir: 'dist',
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name].js',
    minifyInternalExports: false,
    sourcemap: true,
  },
})

// What an earlier build has left. At the end, so that a program that runs meanwhile still finds what it loads late.
const written = new Set(output.map(({ fileName }) => fileName))
for (const path of readdirSync('dist', { recursive: true, encoding: 'utf8' })) {
  if (/^(?!examples\/).+\.js(\.map)?$/.test(path) && !written.has(path)) rmSync(join('dist', path))
}
